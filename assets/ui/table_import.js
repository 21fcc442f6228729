// Takes questions and answers from a table: choose a file, see what would come of it, then take it in.
import { createElement as h, useRef, useState } from "react";

async function ask(url, file, options) {
  const address = new URL(url, window.location.href);
  for (const [name, value] of Object.entries(options)) {
    if (value !== null && value !== undefined) address.searchParams.set(name, value);
  }
  const body = new FormData();
  body.append("files", file, file.name);
  let response;
  try {
    response = await fetch(address, { method: "POST", body });
  } catch {
    throw new Error("The connection was lost. Please try again.");
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.detail ?? said.title ?? `The server refused this file (${response.status}).`);
  return said;
}

const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

function outcome({ n_added, n_changed, n_unchanged, problems }) {
  const parts = [
    [n_added, counted(n_added, "new entry", "new entries")],
    [n_changed, counted(n_changed, "new answer", "new answers")],
    [n_unchanged, `${n_unchanged.toLocaleString("en")} already here`],
    [problems.length, counted(problems.length, "row that cannot be taken", "rows that cannot be taken")],
  ];
  return parts.filter(([n]) => n).map(([, words]) => words).join(" · ") || "There are no rows in this table.";
}

function Column({ id, label, columns, value, onChange }) {
  return h(
    "div",
    { className: "field" },
    h("label", { htmlFor: id, className: "field-label" }, label),
    h(
      "select",
      { id, className: "control", value, onChange: (event) => onChange(Number(event.target.value)) },
      columns.map((name, at) => h("option", { key: at, value: at }, name || `Column ${at + 1}`)),
    ),
  );
}

function Rows({ title, rows, last }) {
  if (!rows.length) return null;
  return h(
    "div",
    { className: "flex flex-col gap-1.5" },
    h("h3", { className: "text-sm font-semibold" }, title),
    h(
      "ul",
      { className: "import-rows" },
      rows.map((row) =>
        h(
          "li",
          { key: row.number },
          h("span", { className: "import-number" }, row.number),
          h("span", { className: "import-question" }, row.question || "—"),
          h("span", { className: last === "problem" ? "text-danger" : "text-muted" }, row[last]),
        ),
      ),
    ),
  );
}

export function TableImport({ url, onImported, onCancel }) {
  const input = useRef(null);
  const asked = useRef(0);
  const [file, setFile] = useState(null);
  const [preview, setPreview] = useState(null);
  const [replace, setReplace] = useState(false);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState("");

  const look = async (chosen, options) => {
    const mine = ++asked.current;
    setBusy("Reading the table …");
    setError("");
    try {
      const said = await ask(url, chosen, { preview: true, ...options });
      if (mine === asked.current) setPreview(said);
    } catch (problem) {
      if (mine === asked.current) setError(problem.message);
    } finally {
      if (mine === asked.current) setBusy("");
    }
  };
  const choose = (chosen) => {
    if (!chosen) return;
    setFile(chosen);
    setPreview(null);
    look(chosen, { replace });
  };
  const columns = (change) => ({ question_column: preview.question_column, answer_column: preview.answer_column, replace, ...change });
  const changeColumn = (name, value) => {
    const next = columns({ [name]: value });
    const other = name === "question_column" ? "answer_column" : "question_column";
    if (next[other] === value) next[other] = preview[name]; // the two change places
    look(file, next);
  };
  const take = async () => {
    setBusy("Taking the entries in …");
    setError("");
    try {
      onImported?.(outcome(await ask(url, file, columns({}))));
    } catch (problem) {
      setError(problem.message);
      setBusy("");
    }
  };
  const nothing = preview && preview.n_added + preview.n_changed === 0;

  return h(
    "div",
    { className: "flex flex-col gap-4" },
    h("input", {
      ref: input,
      type: "file",
      accept: ".csv,.tsv,.txt,.xlsx,.xls,.ods",
      className: "sr-only",
      "aria-label": "Table with questions and answers",
      onChange: (event) => {
        choose(event.target.files[0]);
        event.target.value = "";
      },
    }),
    h(
      "div",
      { className: "flex flex-wrap items-center gap-3" },
      h("button", { type: "button", className: "btn btn-secondary", disabled: Boolean(busy), onClick: () => input.current.click() }, file ? "Choose another file" : "Choose a file"),
      h("span", { className: "text-sm text-muted break-all" }, file ? file.name : "CSV or a spreadsheet, at most 5,000 rows. The first row names the columns."),
    ),
    preview &&
      h(
        "div",
        { className: "grid gap-3 sm:grid-cols-2" },
        h(Column, { id: "import-question", label: "Questions are in", columns: preview.columns, value: preview.question_column, onChange: (at) => changeColumn("question_column", at) }),
        h(Column, { id: "import-answer", label: "Answers are in", columns: preview.columns, value: preview.answer_column, onChange: (at) => changeColumn("answer_column", at) }),
      ),
    preview &&
      h(
        "label",
        { className: "flex items-start gap-2.5 text-[0.9375rem]" },
        h("input", {
          type: "checkbox",
          className: "mt-1",
          checked: replace,
          onChange: (event) => {
            setReplace(event.target.checked);
            look(file, columns({ replace: event.target.checked }));
          },
        }),
        "Questions that are here already get the answers of this file",
      ),
    h("p", { role: "status", className: "text-[0.9375rem] font-medium" }, busy || (preview && !error ? outcome(preview) : "")),
    error && h("p", { role: "alert", className: "field-error" }, error),
    preview && h(Rows, { title: "Rows that cannot be taken", rows: preview.problems, last: "problem" }),
    preview && h(Rows, { title: "The first rows", rows: preview.rows.filter((row) => !row.problem).slice(0, 5), last: "answer" }),
    h(
      "div",
      { className: "dialog-actions" },
      h("button", { type: "button", className: "btn btn-secondary", onClick: () => onCancel?.() }, "Cancel"),
      h("button", { type: "button", className: "btn btn-primary", disabled: Boolean(busy) || !preview || nothing, onClick: take }, "Import"),
    ),
  );
}
