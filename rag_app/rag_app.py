"""The Reflex app: pages on their routes."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.app import create_app
from rag_app.ui.landing import page as landing
from rag_app.ui.public import not_found_page
from rag_app.ui.sign_in import page as sign_in
from rag_app.ui.sign_in.state import SignInState

app = create_app()
app.add_page(landing.landing_page, route=routes.HOME, title=landing.TITLE, description=landing.DESCRIPTION)
app.add_page(
    sign_in.login_page,
    route=routes.LOGIN,
    title=sign_in.LOGIN_TITLE,
    description=sign_in.LOGIN_DESCRIPTION,
    on_load=SignInState.open,
)
app.add_page(
    sign_in.register_page,
    route=routes.REGISTER,
    title=sign_in.REGISTER_TITLE,
    description=sign_in.REGISTER_DESCRIPTION,
    on_load=SignInState.open,
)
app.add_page(
    not_found_page,
    route="/404",
    title="Not found · Simple RAG",
    description="There is nothing at this address.",
)
