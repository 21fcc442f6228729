// The moving parts of a chat.
import { createElement as h, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_END_PX = 80;
const MAX_ROWS_PX = 200;
const WIDE = "(min-width: 64rem)";

const icon = (name) => h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: `/icons.svg#${name}` }));

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // plain http on a local network
  area.value = text;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function copyCode(button) {
  copy(button.parentElement.querySelector("pre").innerText).then(() => {
    const use = button.querySelector("use");
    use.setAttribute("href", "/icons.svg#check");
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      use.setAttribute("href", "/icons.svg#copy");
      button.setAttribute("aria-label", "Copy code");
    }, 2000);
  });
}

// An answer, sanitised by the server; a press on a citation tells the state its number.
export function Prose({ html, onCite, className = "answer-text" }) {
  return h("div", {
    className,
    onClick: (event) => {
      const cite = event.target.closest("button[data-cite]");
      if (cite) return onCite?.(Number(cite.dataset.cite));
      const button = event.target.closest("button.copy-code");
      if (button) copyCode(button);
      return undefined;
    },
    dangerouslySetInnerHTML: { __html: html },
  });
}

// The field for the next question: grows with its text, Enter sends, Shift+Enter begins a new line.
export function Question({ id, name, label, placeholder, maxLength, busy, draft }) {
  const ref = useRef(null);
  const fit = () => {
    const area = ref.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, MAX_ROWS_PX)}px`;
  };
  useEffect(() => {
    const form = ref.current.form;
    const refit = () => requestAnimationFrame(fit);
    form?.addEventListener("reset", refit);
    return () => form?.removeEventListener("reset", refit);
  }, []);
  useEffect(() => {
    if (!draft || ref.current.value) return;
    ref.current.value = draft; // it could not be sent
    fit();
  }, [draft]);
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) ref.current.focus({ preventScroll: true });
  }, []);
  return h("textarea", {
    ref,
    id,
    name,
    placeholder,
    maxLength,
    rows: 1,
    "aria-label": label,
    enterKeyHint: "send",
    className: "question",
    onInput: fit,
    onKeyDown: (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
      event.preventDefault();
      if (!busy && event.target.value.trim()) event.target.form.requestSubmit();
    },
  });
}

// Scrolls along with an answer while its end is in view; a reader who scrolls up is left alone.
export function Transcript({ turns, label, children }) {
  const scroller = useRef(null);
  const content = useRef(null);
  const follows = useRef(true);
  const [isAway, setAway] = useState(false);
  const toEnd = () => {
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
  };
  useLayoutEffect(() => {
    follows.current = true;
    toEnd();
  }, [turns]);
  useEffect(() => {
    const observer = new ResizeObserver(() => follows.current && toEnd());
    observer.observe(content.current);
    observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  return h(
    "div",
    { className: "transcript-box" },
    h(
      "div",
      {
        ref: scroller,
        className: "transcript",
        role: "region",
        "aria-label": label,
        tabIndex: 0,
        onScroll: () => {
          const { scrollHeight, scrollTop, clientHeight } = scroller.current;
          follows.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
          setAway(!follows.current);
        },
      },
      h("div", { ref: content, className: "transcript-content" }, children),
    ),
    isAway &&
      h(
        "button",
        {
          type: "button",
          className: "btn btn-secondary btn-icon to-end",
          "aria-label": "Go to the end",
          onClick: () => {
            follows.current = true;
            toEnd();
          },
        },
        icon("chevron-down"),
      ),
  );
}

// A panel beside the page on wide screens, a sheet over it on phones. `subject` names what it shows:
// when that changes the focus moves in, and back to where it was when the panel closes.
export function SidePanel({ open, subject, title, onClose, children }) {
  const ref = useRef(null);
  const heading = useRef(null);
  const origin = useRef(null);
  useEffect(() => {
    const panel = ref.current;
    if (!open) {
      if (panel.open) panel.close();
      if (origin.current?.isConnected) origin.current.focus();
      origin.current = null;
      return;
    }
    if (!panel.contains(document.activeElement)) origin.current = document.activeElement;
    if (!panel.open) matchMedia(WIDE).matches ? panel.show() : panel.showModal();
    heading.current?.focus();
    panel.querySelector("mark")?.scrollIntoView({ block: "center" });
  }, [open, subject]);
  const close = () => onClose?.();
  return h(
    "dialog",
    {
      ref,
      className: "side-panel",
      "aria-label": title,
      onCancel: (event) => {
        event.preventDefault();
        close();
      },
      onKeyDown: (event) => event.key === "Escape" && close(),
      onMouseDown: (event) => event.target === ref.current && ref.current.matches(":modal") && close(),
    },
    open &&
      h(
        "div",
        { className: "side-panel-content" },
        h(
          "div",
          { className: "side-panel-head" },
          h("h2", { ref: heading, tabIndex: -1 }, title),
          h("button", { type: "button", className: "btn btn-ghost btn-icon", "aria-label": "Close", onClick: close }, icon("close")),
        ),
        children,
      ),
  );
}

// The tab's title, for pages whose name is only known once they are open.
export function PageTitle({ text }) {
  useEffect(() => {
    if (text) document.title = text;
  }, [text]);
  return null;
}
