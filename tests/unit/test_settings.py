import pytest

from rag_app.errors import InvalidInput
from rag_app.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_env_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_everything_has_a_working_default():
    assert read_settings().base_url == "http://localhost:3000"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RAG_PROT", "3000", "There is no setting called RAG_PROT"),
        ("RAG_PORT", "http", "RAG_PORT"),
        ("RAG_PORT", "70000", "RAG_PORT"),
        ("RAG_SECRET_KEY", "short", "at least 32 bytes"),
        ("RAG_BASE_URL", "rag.example.org", "must look like https://"),
        ("RAG_ENV", "prod", "RAG_ENV"),
        ("RAG_ALLOWED_PRIVATE_HOSTS", "10.0.0.0/99", "no network such as 10.0.0.0/8"),
        ("DATABASE_URL", "mysql://x", "must look like postgresql://"),
    ],
)
def test_a_wrong_setting_is_named_in_a_sentence(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidInput) as refused:
        read_settings()

    assert says in str(refused.value)


def test_production_refuses_a_guessable_secret(monkeypatch):
    monkeypatch.setenv("RAG_ENV", "production")
    monkeypatch.setenv("RAG_SECRET_KEY", "secret" * 10)

    with pytest.raises(InvalidInput, match="too simple"):
        read_settings()


def test_the_public_address_decides_whether_cookies_are_secure(monkeypatch):
    monkeypatch.setenv("RAG_BASE_URL", "https://rag.example.org/")

    assert read_settings().is_https
    assert read_settings().base_url == "https://rag.example.org"


def test_secrets_do_not_show_when_printed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")

    assert "sk-very-secret-key" not in repr(read_settings())


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in Settings.model_fields.values())
