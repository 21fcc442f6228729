"""Questions of a knowledge base that nobody could answer."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from rag_app.api.auth import SignedIn
from rag_app.api.faq_schemas import MessageIds
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import ListOut
from rag_app.bootstrap import services
from rag_app.domain.unanswered import QuestionGroup

router = APIRouter(prefix="/api/knowledge-bases/{kb_id}/unanswered", tags=["faq"])

EXAMPLES = 5


class QuestionsBody(BaseModel):
    """Questions by the answers they got."""

    model_config = ConfigDict(extra="forbid")

    message_ids: MessageIds


class UnansweredQuestionOut(BaseModel):
    message_id: int
    conversation_id: int
    question: str
    reason: Literal["refused", "disliked", "uncited"]
    is_preview: bool
    asked_at: datetime


class QuestionGroupOut(BaseModel):
    question: str = Field(description="The wording used most.")
    count: int
    last_asked_at: datetime
    is_dismissed: bool
    message_ids: list[int] = Field(description="The answers that all of them got, newest first.")
    examples: list[UnansweredQuestionOut] = Field(description=f"The newest, at most {EXAMPLES}.")

    @classmethod
    def of(cls, group: QuestionGroup) -> Self:
        shown = [asdict(one) for one in group.questions[:EXAMPLES]]
        for one in shown:
            del one["is_dismissed"]
        return cls(
            question=group.question,
            count=len(group.questions),
            last_asked_at=group.questions[0].asked_at,
            is_dismissed=group.is_dismissed,
            message_ids=group.message_ids,
            examples=[UnansweredQuestionOut(**one) for one in shown],
        )


@router.get("")
async def list_groups(
    kb_id: KbId,
    sign_in: SignedIn,
    dismissed: Annotated[
        bool, Query(description="Those that were dismissed, in place of the others.")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ListOut[QuestionGroupOut]:
    """Questions that were refused, disliked or answered without a citation, in groups that ask the same.

    Of the newest 1,000 within 90 days; those asked most come first.
    """
    found = await services().unanswered.groups(kb_id, owner_id=sign_in.user.id, dismissed=dismissed)
    return ListOut(items=[QuestionGroupOut.of(one) for one in found[:limit]], next_cursor=None)


@router.post("/dismiss", status_code=204)
async def dismiss(kb_id: KbId, body: QuestionsBody, sign_in: SignedIn) -> Response:
    """Put questions away, and what asks the same with them."""
    await services().unanswered.dismiss(kb_id, body.message_ids, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.post("/restore", status_code=204)
async def restore(kb_id: KbId, body: QuestionsBody, sign_in: SignedIn) -> Response:
    """Bring dismissed questions back."""
    await services().unanswered.dismiss(kb_id, body.message_ids, owner_id=sign_in.user.id, undo=True)
    return Response(status_code=204)
