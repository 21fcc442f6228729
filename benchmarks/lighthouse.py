"""Lighthouse over the pages of a running installation.

    make run                                      # in another terminal
    .venv/bin/python benchmarks/lighthouse.py --url http://localhost:3000

Signs up a new owner, makes a knowledge base and shares it, then measures public and dashboard pages on a
simulated phone. Needs Chromium; Lighthouse itself comes from npm into a temporary folder. Targets: public
pages 95 performance, 100 accessibility and best practices; dashboard pages 85, 100, 100.
"""

import argparse
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
import uuid
from pathlib import Path

import httpx2

LIGHTHOUSE = "lighthouse@13"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:3000")
    parser.add_argument("--runs", type=int, default=1, help="the median of so many runs is shown")
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "simple-rag-lighthouse")
    options = parser.parse_args()
    base = options.url.rstrip("/")
    cookie, slug, kb_id = prepare(base)
    install(options.tools)
    pages = [
        ("landing", "/", None),
        ("log-in", "/login/", None),
        ("shared chat", f"/s/{slug}/", None),
        ("my knowledge bases", "/knowledge-bases/", cookie),
        ("documents", f"/knowledge/?kb={kb_id}", cookie),
        ("chat preview", f"/chat/{kb_id}/", cookie),
        ("search", f"/search/?kb={kb_id}", cookie),
        ("conversations", "/conversations/", cookie),
        ("settings", "/settings/", cookie),
    ]
    print("| page | performance | accessibility | best practices | SEO | KB transferred |")
    print("|---|---|---|---|---|---|")
    for name, path, sign_in in pages:
        runs = [measure(options.tools, base + path, sign_in) for _ in range(options.runs)]
        run = sorted(runs, key=lambda scores: scores["performance"])[len(runs) // 2]
        cells = " | ".join(str(run[category]) for category in CATEGORIES)
        print(f"| {name} | {cells} | {run['bytes'] // 1024} |", flush=True)
        for fault in run["faults"]:
            print(f"    {name}: {fault}")


def prepare(base: str) -> tuple[str, str, int]:
    """Make an owner with a shared knowledge base; returns cookie, slug and id."""
    email, password = f"lighthouse-{uuid.uuid4().hex[:8]}@example.com", "a long enough secret"
    with httpx2.Client(base_url=base, timeout=60) as client:
        account = {"email": email, "password": password, "name": "Lighthouse"}
        tokens = client.post("/api/auth/register", json=account).raise_for_status().json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        kb = client.post("/api/knowledge-bases", json={"name": "Handbook"}, headers=headers).json()
        link = client.post(f"/api/knowledge-bases/{kb['id']}/share-links", headers=headers).json()
        answer = client.post("/auth/login", data={"email": email, "password": password})
        cookie = answer.headers["set-cookie"].partition(";")[0]
    return cookie, link["slug"], kb["id"]


def install(tools: Path) -> None:
    """Fetch Lighthouse once."""
    if not (tools / "node_modules" / "lighthouse").exists():
        tools.mkdir(exist_ok=True)
        subprocess.run(
            ["npm", "install", "--no-save", "--silent", LIGHTHOUSE], cwd=tools, env=environment(), check=True
        )


def environment() -> dict[str, str]:
    """Node of our own wheel, Chromium of the system."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    return os.environ | {"PATH": path, "CHROME_PATH": chromium}


def measure(tools: Path, url: str, cookie: str | None) -> dict:
    """One run; scores from 0 to 100, bytes transferred, and what accessibility found."""
    report = tools / "report.json"
    command = [
        "node_modules/.bin/lighthouse", url, "--quiet", "--output=json", f"--output-path={report}",
        f"--chrome-flags={FLAGS}", f"--only-categories={','.join(CATEGORIES)}",
    ]  # fmt: skip
    if cookie:
        command.append(f"--extra-headers={json.dumps({'Cookie': cookie})}")
    result = run(command, tools, report)
    landed = result["finalDisplayedUrl"]
    if "/login" in landed and "/login" not in url:
        raise SystemExit(f"{url} led to {landed}: the sign-in was not taken along")
    scores = {name: round(100 * (result["categories"][name]["score"] or 0)) for name in CATEGORIES}
    audits = result["audits"]
    scored = {"accessibility", "best-practices"}
    faults = [
        f"{audits[ref['id']]['title']} ({category})"
        for category in scored
        for ref in result["categories"][category]["auditRefs"]
        if ref["weight"] and audits[ref["id"]]["score"] not in (None, 1)
    ]
    return scores | {"bytes": audits["total-byte-weight"]["numericValue"].__int__(), "faults": faults}


def run(command: list[str], tools: Path, report: Path) -> dict:
    """Run Lighthouse; now and then Chromium gives it no trace, so it has three tries."""
    for _ in range(3):
        done = subprocess.run(command, cwd=tools, env=environment(), check=False, capture_output=True)
        if done.returncode == 0:
            return json.loads(report.read_text())
    raise SystemExit(done.stderr.decode()[-400:])


if __name__ == "__main__":
    main()
