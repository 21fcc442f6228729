// Files by drag and drop or by choosing, sent one request each, three at a time, with progress.
import { createElement as h, useEffect, useId, useRef, useState } from "react";

const AT_ONCE = 3;
const STORED = new Set(["done", "duplicate"]);
const WORDS = { waiting: "Waiting", done: "Uploaded", duplicate: "Already here", failed: "Not uploaded" };

function send(file, { url, field, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append(field, file, file.name);
    request.open("POST", url);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) return resolve(isDuplicate(request));
      reject(new Error(reason(request)));
    };
    request.onerror = () => reject(new Error("The connection was lost. Please try again."));
    request.send(body);
  });
}

// One file was sent, so the answer holds one job.
function isDuplicate(request) {
  try {
    return JSON.parse(request.responseText).jobs[0].is_duplicate === true;
  } catch {
    return false;
  }
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

export function DropZone({ url, field = "files", accept, title, hint, disabled, onUploaded, onFailed }) {
  const [over, setOver] = useState(false);
  const [uploads, setUploads] = useState([]);
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

  const add = async (files) => {
    const batch = [...files].map((file) => ({ file, key: ++count.current, name: file.name, share: 0, state: "waiting", error: "" }));
    if (!batch.length || disabled) return;
    setUploads((all) => [...all.filter(({ state }) => !STORED.has(state)), ...batch]);
    const queue = [...batch];
    let stored = 0;
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { key, file } = next;
        change(key, { state: "sending" });
        try {
          const duplicate = await send(file, { url, field, onProgress: (share) => change(key, { share }) });
          stored += 1;
          change(key, { state: duplicate ? "duplicate" : "done", share: 1 });
          onUploaded?.(file.name, duplicate);
        } catch (error) {
          change(key, { state: "failed", error: error.message });
          onFailed?.(file.name, error.message);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (stored) setTimeout(() => setUploads((all) => all.filter(({ state }) => state !== "done")), 3000);
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
          add(event.dataTransfer.files);
        },
      },
      h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#upload" })),
      h("strong", null, title),
      hint && h("span", null, hint),
      h("input", {
        id,
        type: "file",
        multiple: true,
        accept: accept || undefined,
        disabled,
        className: "sr-only",
        onChange: (event) => {
          add(event.target.files);
          event.target.value = "";
        },
      }),
    ),
    uploads.length > 0 && h("p", { role: "status", className: "uploads-summary" }, summary(uploads)),
    uploads.length > 0 &&
      h(
        "ul",
        { className: "uploads", "aria-label": "Uploads" },
        uploads.map(({ key, name, share, state, error }) =>
          h(
            "li",
            { key, className: "upload" },
            h("span", { title: name }, name),
            h("span", null, WORDS[state] ?? `${Math.round(share * 100)} %`),
            state === "failed"
              ? h("p", { className: "field-error" }, error)
              : !STORED.has(state) && h("progress", { className: "progress", "aria-label": `Uploading ${name}`, value: share, max: 1 }),
          ),
        ),
      ),
  );
}
