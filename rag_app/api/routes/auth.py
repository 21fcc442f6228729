"""Register, sign in, renew, sign out — for programs."""

from fastapi import APIRouter, Request, Response

from rag_app.api.auth import SignedIn, caller_of
from rag_app.api.schemas import ChangePasswordBody, LoginBody, RefreshBody, RegisterBody, TokensOut, UserOut
from rag_app.bootstrap import services

router = APIRouter(prefix="/api/auth", tags=["accounts"])


@router.post("/register", status_code=201)
async def register(body: RegisterBody, request: Request) -> TokensOut:
    """Make an account and sign in; the very first account becomes super admin."""
    caller = caller_of(request)
    accounts = services().accounts
    user = await accounts.register(
        email=body.email, password=body.password.get_secret_value(), name=body.name, caller=caller
    )
    return TokensOut.of(await accounts.begin_program_sign_in(user, caller=caller))


@router.post("/login")
async def login(body: LoginBody, request: Request) -> TokensOut:
    """Sign in with e-mail address and password."""
    caller = caller_of(request)
    accounts = services().accounts
    user = await accounts.authenticate(
        email=body.email, password=body.password.get_secret_value(), caller=caller
    )
    return TokensOut.of(await accounts.begin_program_sign_in(user, caller=caller))


@router.post("/refresh")
async def refresh(body: RefreshBody, request: Request) -> TokensOut:
    """Trade a refresh token for new tokens; the old one is void."""
    services().limits.hit("refresh", caller_of(request).address, per_minute=600)
    return TokensOut.of(await services().accounts.refresh(body.refresh_token))


@router.post("/logout", status_code=204)
async def logout(sign_in: SignedIn) -> Response:
    """End this sign-in; all its tokens are void at once."""
    await services().accounts.sign_out(sign_in)
    return Response(status_code=204)


@router.get("/me")
async def me(sign_in: SignedIn) -> UserOut:
    """Who is signed in."""
    return UserOut.of(sign_in.user)


@router.put("/password", status_code=204)
async def change_password(body: ChangePasswordBody, sign_in: SignedIn) -> Response:
    """Set a new password; every other sign-in of the account ends."""
    await services().accounts.change_password(
        sign_in,
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
    )
    return Response(status_code=204)
