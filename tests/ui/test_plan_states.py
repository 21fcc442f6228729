"""The plan in Settings, the notice above the tabs, and the super admin's page."""

import pytest

from rag_app.errors import Conflict, InvalidInput, NotFound
from rag_app.ui.dashboard.admin.accounts_state import PAGE, AccountsState
from rag_app.ui.dashboard.admin.plans_state import PlansState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.limit_notice import LimitNoticeState
from rag_app.ui.dashboard.settings.plan_state import PlanState
from tests.ui.conftest import happens


@pytest.fixture
def limit(services, owner):
    """Give an account own limits."""

    async def give(account, **limits):
        await services.admin.change_owner(owner.user["id"], account.user["id"], {"overrides": limits})

    return give


async def do(state, name, *args):
    return await happens(getattr(type(state), name).fn(state, *args))


async def begun(tab, kind):
    state = await tab.state(kind)
    await do(state, "load")
    return state


@pytest.fixture
async def settings(open_tab, owner):
    """The card in Settings, for the chosen knowledge base."""
    kb = await owner.create_kb()
    tab = open_tab(owner)
    tab.go_to(f"/settings?kb={kb['id']}")
    await do(await tab.state(CurrentKbState), "load")
    return await begun(tab, PlanState)


async def test_settings_show_every_meter(settings):
    assert settings.plan == "Enterprise"
    assert {view.amount for view in settings.meters if view.label == "Knowledge bases"} == {"1, no limit"}
    assert settings.is_loading is False


async def test_a_budget_is_kept_and_taken_away(settings, owner):
    await do(settings, "save_budget", {"budget": "7.5"})
    assert (settings.budget.amount, settings.budget.spent) == ("7.50", "$0.00 of $7.50")
    kb = f"/api/knowledge-bases/{settings.kb_id}"
    assert (await owner.http.get(kb)).json()["monthly_budget_usd"] == 7.5

    await do(settings, "save_budget", {"budget": ""})

    assert (await owner.http.get(kb)).json()["monthly_budget_usd"] is None
    assert settings.budget.has_bar is False


async def test_a_budget_that_is_none_is_said_at_the_field(settings, owner):
    await do(settings, "save_budget", {"budget": "plenty"})

    assert "dollars and cents" in settings.error
    assert settings.budget.has_bar is False


async def test_a_model_without_a_price_is_told(settings, owner):
    await owner.http.put(
        f"/api/knowledge-bases/{settings.kb_id}", json={"llm_provider": "openai", "llm_model": "unheard-of"}
    )

    await do(settings, "save_budget", {"budget": "5"})

    assert "Nobody knows what" in settings.budget.warning


async def test_the_notice_comes_when_a_limit_is_near_and_goes_for_good_when_dismissed(open_tab, owner, limit):
    await owner.create_kb()
    notice = await begun(open_tab(owner), LimitNoticeState)
    assert notice.text == ""
    await limit(owner, knowledge_bases=1)
    await do(notice, "load")
    assert notice.text == "You have reached a limit: knowledge bases (1 of 1)."

    await do(notice, "dismiss")
    await do(notice, "load")

    assert notice.text == ""


# ---- accounts


async def test_accounts_are_listed_found_and_paged(open_tab, owner, new_owner):
    for number in range(PAGE):
        await new_owner(f"p{number:02}@example.com")
    state = await begun(open_tab(owner), AccountsState)
    assert (len(state.accounts), state.has_more, state.missing) == (PAGE, True, False)

    await do(state, "show_more")
    assert len({account.id for account in state.accounts}) == PAGE + 1
    assert state.has_more is False
    await do(state, "search", {"query": " P07@ "})

    assert [account.email for account in state.accounts] == ["p07@example.com"]
    await do(state, "show_all")
    assert len(state.accounts) == PAGE


async def test_plan_and_own_limits_are_changed_in_a_window(open_tab, owner, other):
    state = await begun(open_tab(owner), AccountsState)
    await do(state, "edit", other.user["id"])
    assert (state.chosen_plan, state.values["documents"], state.of_plan["documents"]) == ("free", "", "5,000")
    await do(state, "choose_plan", "pro")
    assert state.of_plan["documents"] == "50,000"

    await do(state, "save", {"documents": "12", "chunks": "unlimited"})

    assert state.editing_id == 0
    line = next(account for account in state.accounts if account.id == other.user["id"])
    assert (line.plan, line.has_own_limits) == ("Pro", True)
    kept = (await owner.http.get(f"/api/admin/owners/{other.user['id']}")).json()
    assert (kept["tier"], kept["overrides"]) == ("pro", {"documents": 12, "chunks": None})


@pytest.mark.parametrize("form", [{"documents": "many"}, {"requests_per_minute": "0"}])
async def test_what_cannot_be_a_limit_is_said_at_its_field(open_tab, owner, other, form):
    state = await begun(open_tab(owner), AccountsState)
    await do(state, "edit", other.user["id"])

    await do(state, "save", form)

    assert state.errors[next(iter(form))]
    assert state.problem
    assert (state.editing_id, state.is_saving) == (other.user["id"], False)


async def test_an_account_is_switched_off_after_a_question_and_on_again(open_tab, owner, other):
    state = await begun(open_tab(owner), AccountsState)
    await do(state, "ask_to_switch_off", other.user["id"])
    assert (await other.http.get("/api/limits")).status_code == 200

    await do(state, "switch_off")

    assert (await other.http.get("/api/limits")).status_code == 401
    assert [account.is_active for account in state.accounts if account.id == other.user["id"]] == [False]
    await do(state, "switch_on", other.user["id"])
    assert all(account.is_active for account in state.accounts)


async def test_the_super_admin_stays(open_tab, owner):
    state = await begun(open_tab(owner), AccountsState)
    await do(state, "ask_to_switch_off", owner.user["id"])

    with pytest.raises(Conflict, match="your own account"):
        await do(state, "switch_off")

    assert (await owner.http.get("/api/limits")).status_code == 200


async def test_others_see_that_there_is_nothing(open_tab, owner, other):
    state = await begun(open_tab(other), AccountsState)
    assert (state.loaded, state.missing, state.accounts) == (True, True, [])

    for name, *args in (("open_tab", "plans"), ("search", {"query": ""}), ("edit", owner.user["id"])):
        with pytest.raises(NotFound):
            await do(state, name, *args)


# ---- plans


@pytest.fixture
async def plans(open_tab, owner):
    return await begun(open_tab(owner), PlansState)


async def test_a_plan_is_changed_after_saying_what_and_for_how_many(plans, owner, other):
    await do(plans, "edit", "free")
    assert (plans.values["documents"], plans.values["storage_bytes"]) == ("5000", "5")
    await do(plans, "ask", {**plans.values, "documents": "4"})
    assert (plans.is_asking, plans.changes, plans.accounts) == (True, ["Documents: 5,000 → 4"], "1 account")
    limits = (await owner.http.get("/api/admin/tiers/free")).json()["limits"]
    assert limits["documents"] == 5000  # only asked so far

    await do(plans, "save")

    assert plans.editing == ""
    assert (await owner.http.get("/api/admin/tiers/free")).json()["limits"] == {**limits, "documents": 4}


async def test_going_back_keeps_what_was_typed(plans):
    await do(plans, "edit", "free")
    await do(plans, "ask", {**plans.values, "documents": "4"})

    await do(plans, "back")

    assert (plans.is_asking, plans.values["documents"]) == (False, "4")


async def test_nothing_changed_is_nothing_asked(plans):
    await do(plans, "edit", "free")

    await do(plans, "ask", plans.values)

    assert (plans.editing, plans.is_asking) == ("", False)


async def test_a_plan_cannot_be_saved_unasked(plans, owner):
    await do(plans, "edit", "free")
    before = (await owner.http.get("/api/admin/tiers/free")).json()

    await do(plans, "save")

    assert (await owner.http.get("/api/admin/tiers/free")).json() == before


async def test_a_plan_that_is_none_is_refused(plans):
    with pytest.raises((NotFound, InvalidInput)):
        await do(plans, "edit", "gold")
