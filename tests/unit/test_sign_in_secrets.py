import time
from uuid import uuid4

import bcrypt
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from rag_app.crypto import AccessTokens, load_or_make_secret
from rag_app.errors import InvalidInput, LimitReached
from rag_app.services.accounts import check_password, normal_email
from rag_app.services.passwords import Passwords
from rag_app.services.rate_limits import RateLimits

SECRET = "a" * 20 + "b" * 20
TOKENS = AccessTokens(SECRET)


def test_a_token_leads_back_to_its_sign_in():
    sign_in_id = uuid4()

    assert TOKENS.read(TOKENS.sign(sign_in_id=sign_in_id, user_id=7, lifetime_s=60)) == sign_in_id


def test_an_expired_token_is_void():
    token = TOKENS.sign(sign_in_id=uuid4(), user_id=7, lifetime_s=-120)

    assert TOKENS.read(token) is None


def test_a_clock_a_little_off_is_forgiven():
    token = TOKENS.sign(sign_in_id=uuid4(), user_id=7, lifetime_s=-30)

    assert TOKENS.read(token) is not None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param("a.b.c", id="three parts of garbage"),
        pytest.param("eyJhbGciOiJub25lIn0.eyJzaWQiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.", id="without a signature"),
        pytest.param(
            AccessTokens("c" * 40).sign(sign_in_id=uuid4(), user_id=1, lifetime_s=60), id="other key"
        ),
        pytest.param("\udcff" * 10, id="surrogates"),
    ],
)
def test_a_forged_token_is_void(token):
    assert TOKENS.read(token) is None


def test_a_token_without_expiry_is_void():
    token = jwt.encode({"alg": "HS256"}, {"sid": str(uuid4())}, OctKey.import_key(SECRET))

    assert TOKENS.read(token) is None


def test_a_token_of_another_algorithm_is_void():
    claims = {"sid": str(uuid4()), "exp": int(time.time()) + 60}
    token = jwt.encode({"alg": "HS512"}, claims, OctKey.import_key(SECRET), algorithms=["HS512"])

    assert TOKENS.read(token) is None


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path):
    first = load_or_make_secret(tmp_path)

    assert load_or_make_secret(tmp_path) == first
    assert len(first) >= 64
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


async def test_passwords_are_checked_and_old_hashes_are_noticed():
    passwords = Passwords()
    modern = await passwords.hash("a long enough secret")
    old = bcrypt.hashpw(b"a long enough secret", bcrypt.gensalt(rounds=4)).decode()

    assert await passwords.verify("a long enough secret", modern) == (True, False)
    assert await passwords.verify("wrong", modern) == (False, False)
    assert await passwords.verify("a long enough secret", old) == (True, True)
    assert await passwords.verify("wrong", old) == (False, False)
    assert await passwords.verify("anything", None) == (False, False)
    assert await passwords.verify("anything", "not a hash") == (False, False)


@pytest.mark.parametrize("password", ["short", "Password123", "12345678", "ada@example.com", "x" * 2000])
def test_guessable_passwords_are_refused(password):
    with pytest.raises(InvalidInput) as refused:
        check_password(password, email="ada@example.com")

    assert refused.value.field == "password"


@pytest.mark.parametrize("password", ["correct horse", "pässwörter sind toll", "        x        "])
def test_there_are_no_rules_of_composition(password):
    check_password(password, email="ada@example.com")


def test_addresses_are_compared_in_lower_case():
    assert normal_email("  Ada@Example.COM ") == "ada@example.com"


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@localhost"])
def test_what_is_no_address_is_refused(email):
    with pytest.raises(InvalidInput) as refused:
        normal_email(email)

    assert refused.value.field == "email"


def test_too_many_tries_have_to_wait():
    limits = RateLimits()
    for _ in range(3):
        limits.hit("try", "me", per_minute=3)

    with pytest.raises(LimitReached) as refused:
        limits.hit("try", "me", per_minute=3)
    limits.hit("try", "somebody else", per_minute=3)

    assert 0 < refused.value.retry_after_s <= 60


def test_failures_are_counted_apart_from_tries():
    limits = RateLimits()
    for _ in range(5):
        limits.count("wrong", "me")

    assert limits.wait_s("wrong", "me", allowed=5) > 0
    assert limits.wait_s("wrong", "me", allowed=6) == 0
    assert limits.wait_s("wrong", "you", allowed=5) == 0
