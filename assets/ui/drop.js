// Files and folders by drag and drop or by choosing, sent one request each, three at a time, with progress.
// What has a name that is there already is asked about first, once for all of it.
import { createElement as h, useEffect, useId, useRef, useState } from "react";

const AT_ONCE = 3;
const MOST_FILES = 5000; // of one folder
const MOST_SHOWN = 60; // lines of the list; the summary counts all
const MOST_REASONS = 5;
const HIDDEN = new Set(["thumbs.db", "desktop.ini"]);
const STORED = new Set(["done", "duplicate"]);
const WORDS = { waiting: "Waiting", done: "Uploaded", duplicate: "Already here", failed: "Not uploaded" };

// Files with the path that they have in a folder; what programs hide in folders is left out.
function chosen(files) {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath ?? "" })).filter(({ path }) => !isHidden(path));
}

function isHidden(path) {
  const parts = path.split("/");
  return parts.some((part) => part.startsWith(".") && path) || HIDDEN.has(parts.at(-1).toLowerCase());
}

// Folders can only be opened while the event lasts, so their entries are taken before anything is awaited.
async function dropped(transfer) {
  const entries = [...(transfer.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return chosen(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found.filter(({ path }) => !isHidden(path));
}

async function walk(entry, found) {
  if (found.length >= MOST_FILES) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    const path = entry.fullPath.replace(/^\//, "");
    if (file) found.push({ file, path: path.includes("/") ? path : "" });
    return;
  }
  const reader = entry.createReader();
  const some = () => new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
  for (let batch = await some(); batch.length; batch = await some()) {
    for (const each of batch) await walk(each, found);
  }
}

// Which of the names are there already; none where that cannot be asked.
async function namesThere(url, names) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ names }),
    });
    return answer.ok ? new Set((await answer.json()).names) : new Set();
  } catch {
    return new Set();
  }
}

function send({ file, path, replaces }, { url, field, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    // Fields come before the file: the server reads them while it still may choose.
    if (path) body.append("path", path);
    if (replaces) body.append("replace", "true");
    body.append(field, file, file.name);
    request.open("POST", url);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) return resolve(outcome(request));
      reject(new Error(reason(request)));
    };
    request.onerror = () => reject(new Error("The connection was lost. Please try again."));
    request.send(body);
  });
}

// One file was sent, so the answer holds one job; of a ZIP it holds one for each file, and what was left out.
function outcome(request) {
  try {
    const { jobs, job, refused = [] } = JSON.parse(request.responseText);
    const all = jobs ?? [job];
    const isDuplicate = all.length === 1 && all[0].is_duplicate === true;
    return { isDuplicate, note: all.length + refused.length > 1 ? noted(all, refused) : "", refused };
  } catch {
    return { isDuplicate: false, note: "", refused: [] };
  }
}

function noted(jobs, refused) {
  const n = jobs.filter((job) => !job.is_duplicate).length;
  const parts = [`${n} ${n === 1 ? "file" : "files"} added`];
  if (n < jobs.length) parts.push(`${jobs.length - n} already here`);
  if (refused.length) parts.push(`${refused.length} not taken`);
  return parts.join(", ");
}

function reason(request) {
  try {
    const { detail, title } = JSON.parse(request.responseText);
    if (typeof (detail ?? title) === "string") return detail ?? title;
  } catch {
    // Not our server's answer: a proxy's page, say.
  }
  return request.status === 413 ? "This file is too large." : `The server refused this file (${request.status}).`;
}

function summary(uploads) {
  const count = (...states) => uploads.filter(({ state }) => states.includes(state)).length;
  const left = count("waiting", "sending");
  const parts = [
    [left, `uploading ${uploads.length - left + 1} of ${uploads.length}`],
    [count("done"), `${count("done")} uploaded`],
    [count("duplicate"), `${count("duplicate")} already here`],
    [count("failed"), `${count("failed")} not uploaded`],
  ];
  const said = parts.filter(([n]) => n).map(([, words]) => words).join(", ");
  return said.charAt(0).toUpperCase() + said.slice(1);
}

// What is being sent and what went wrong first: of a folder with thousands of files the rest is only counted.
function shown(uploads) {
  if (uploads.length <= MOST_SHOWN) return uploads;
  const tells = ({ state, refused }) => state === "sending" || state === "failed" || refused.length > 0;
  return [...uploads.filter(tells), ...uploads.filter((each) => !tells(each))].slice(0, MOST_SHOWN);
}

function reasons(refused) {
  const more = refused.length - MOST_REASONS;
  return h(
    "ul",
    { className: "upload-reasons" },
    refused.slice(0, MOST_REASONS).map(({ file_name, reason }, at) => h("li", { key: at }, h("b", null, file_name), ": ", reason)),
    more > 0 && h("li", null, `and ${more} more`),
  );
}

function question(asked, answer) {
  const name = asked[0].path || asked[0].file.name;
  const words =
    asked.length === 1
      ? `A document called “${name}” is here already.`
      : `${asked.length} files have names that documents have already, such as “${name}”.`;
  const button = (text, look, value) =>
    h("button", { type: "button", className: `btn btn-sm ${look}`, onClick: () => answer(value) }, text);
  return h(
    "div",
    { role: "alert", className: "drop-question" },
    h("p", null, words, " A new version keeps its tags, and its present text serves until the new one is read."),
    h(
      "div",
      { className: "flex flex-wrap gap-2" },
      button(asked.length === 1 ? "Replace with this version" : "Replace them all", "btn-primary", true),
      button("Keep both", "btn-secondary", false),
      button("Leave out", "btn-ghost", null),
    ),
  );
}

export function DropZone(props) {
  const { url, namesUrl, field = "files", accept, title, hint, disabled, single, folders, onUploaded, onFailed } = props;
  const [over, setOver] = useState(false);
  const [uploads, setUploads] = useState([]);
  const [asked, setAsked] = useState(null);
  const count = useRef(0);
  const id = useId();
  const change = (key, values) =>
    setUploads((all) => all.map((upload) => (upload.key === key ? { ...upload, ...values } : upload)));

  const isBusy = uploads.some(({ state }) => state === "waiting" || state === "sending");
  useEffect(() => {
    if (!isBusy) return;
    // What the server does not have yet is lost with the page, so the browser asks first.
    const ask = (event) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isBusy]);

  // Ask once where names are there already; the rest goes on its way meanwhile.
  const offer = async (found) => {
    const files = found.slice(0, single ? 1 : MOST_FILES);
    if (!files.length || disabled) return;
    const there = namesUrl ? await namesThere(namesUrl, files.map(({ file, path }) => path || file.name)) : new Set();
    const isThere = ({ file, path }) => there.has(path || file.name);
    const same = files.filter(isThere);
    if (same.length) setAsked((before) => [...(before ?? []), ...same]);
    add(files.filter((each) => !isThere(each)));
  };
  const answer = (replaces) => {
    const files = asked;
    setAsked(null);
    if (replaces !== null) add(files.map((each) => ({ ...each, replaces })));
  };

  const add = async (files) => {
    const batch = files.map((each) => ({
      ...each, key: ++count.current, name: each.path || each.file.name, share: 0, state: "waiting", error: "", note: "", refused: [],
    }));
    if (!batch.length || disabled) return;
    setUploads((all) => [...all.filter(({ state, note }) => !STORED.has(state) || note), ...batch]);
    const queue = [...batch];
    let stored = 0;
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { key, name } = next;
        change(key, { state: "sending" });
        try {
          const { isDuplicate, note, refused } = await send(next, { url, field, onProgress: (share) => change(key, { share }) });
          stored += 1;
          change(key, { state: isDuplicate ? "duplicate" : "done", share: 1, note, refused });
          onUploaded?.(name, isDuplicate);
        } catch (error) {
          change(key, { state: "failed", error: error.message });
          onFailed?.(name, error.message);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (stored) setTimeout(() => setUploads((all) => all.filter(({ state, note }) => state !== "done" || note)), 3000);
  };

  return h(
    "div",
    null,
    h(
      "label",
      {
        htmlFor: id,
        className: over ? "drop is-over" : "drop",
        onDragOver: (event) => {
          event.preventDefault();
          setOver(true);
        },
        onDragLeave: () => setOver(false),
        onDrop: (event) => {
          event.preventDefault();
          setOver(false);
          dropped(event.dataTransfer).then(offer);
        },
      },
      h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#upload" })),
      h("strong", null, title),
      hint && h("span", null, hint),
      h("input", {
        id,
        type: "file",
        multiple: !single,
        accept: accept || undefined,
        disabled,
        className: "sr-only",
        onChange: (event) => {
          offer(chosen(event.target.files));
          event.target.value = "";
        },
      }),
    ),
    folders &&
      h(
        "label",
        { className: "drop-folder" },
        h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#upload" })),
        "Or choose a whole folder",
        h("input", {
          type: "file",
          webkitdirectory: "",
          disabled,
          className: "sr-only",
          onChange: (event) => {
            offer(chosen(event.target.files));
            event.target.value = "";
          },
        }),
      ),
    asked && question(asked, answer),
    uploads.length > 0 && h("p", { role: "status", className: "uploads-summary" }, summary(uploads)),
    uploads.length > 0 &&
      h(
        "ul",
        { className: "uploads", "aria-label": "Uploads" },
        shown(uploads).map(({ key, name, share, state, error, note, refused }) =>
          h(
            "li",
            { key, className: "upload" },
            h("span", { title: name }, name),
            h("span", null, note || (WORDS[state] ?? `${Math.round(share * 100)} %`)),
            refused.length > 0 && reasons(refused),
            state === "failed"
              ? h("p", { className: "field-error" }, error)
              : !STORED.has(state) && h("progress", { className: "progress", "aria-label": `Uploading ${name}`, value: share, max: 1 }),
          ),
        ),
      ),
  );
}
