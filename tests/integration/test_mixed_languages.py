"""Documents of several languages in one knowledge base do not disturb each other's word search."""

GERMAN = [
    b"Die Panthers haben in dieser Saison 308 Punkte zugelassen, und ihre Verteidigung war die beste.",
    b"Der Urlaub muss bis zum 31. Maerz des folgenden Jahres genommen werden, sonst verfaellt er.",
    b"Die Kantine ist von elf bis vierzehn Uhr geoeffnet, und das Essen ist fuer alle Mitarbeiter frei.",
]
# Taken for English, and full of German stop words, which English does not know as such.
OUTLIER = (
    b"The song is called 'Die der das und wie viele gab ab', and the band has played it for years with joy."
)


async def test_stop_words_of_one_language_find_nothing_in_another(owner, run_jobs):
    kb = await owner.create_kb()
    files = [(f"{number}.txt", text) for number, text in enumerate(GERMAN)]
    await owner.upload(kb["id"], *files, ("song.txt", OUTLIER))
    await run_jobs()
    documents = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents")).json()["items"]
    assert {document["language"] for document in documents} == {"german", "english"}

    found = await owner.search(kb["id"], "Wie viele Punkte gab die Verteidigung der Panthers ab?")

    by_words = [passage for passage in found if passage["scores"]["rank_by_words"] == 1]
    assert by_words[0]["document_name"] == "0.txt"


async def test_each_language_is_found_by_its_own_stems(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(
        kb["id"],
        ("de.txt", b"Die Rechnungen werden von der Buchhaltung am Ende des Monats bezahlt, und zwar immer."),
        (
            "en.txt",
            b"The invoices are paid by the accounting department at the end of the month, and always.",
        ),
    )
    await run_jobs()

    german = await owner.search(kb["id"], "Rechnung")
    english = await owner.search(kb["id"], "invoice")

    assert next(p for p in german if p["scores"]["rank_by_words"] == 1)["document_name"] == "de.txt"
    assert next(p for p in english if p["scores"]["rank_by_words"] == 1)["document_name"] == "en.txt"
