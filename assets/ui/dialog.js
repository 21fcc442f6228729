// A modal window on the browser's own <dialog>: it traps the focus, makes the rest inert, closes on
// Escape and gives the focus back, all without a library.
import { createElement as h, useEffect, useId, useRef, useState } from "react";

const FIRST_FIELD = ".dialog-body :is(input, select, textarea):not([type=hidden], :disabled)";

function CloseButton({ onClick, className = "" }) {
  return h(
    "button",
    { type: "button", className: `btn btn-ghost btn-icon ${className}`, "aria-label": "Close", onClick },
    h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#close" })),
  );
}

export function Dialog({ open, onClose, title, description, wide, children }) {
  const ref = useRef(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (open && !dialog.open) {
      dialog.showModal();
      dialog.querySelector(FIRST_FIELD)?.focus(); // else the focus would be on the cross
    }
    if (!open && dialog.open) dialog.close();
  }, [open]);
  const close = () => onClose?.();
  return h(
    "dialog",
    {
      ref,
      className: wide ? "dialog dialog-wide" : "dialog",
      "aria-labelledby": `${id}-title`,
      "aria-describedby": description ? `${id}-description` : undefined,
      // A file input inside fires "cancel" too; only the window's own counts.
      onCancel: (event) => {
        if (event.target !== ref.current) return;
        event.preventDefault();
        close();
      },
      onClose: (event) => event.target === ref.current && open && close(),
      onMouseDown: (event) => event.target === ref.current && close(),
    },
    open &&
      h(
        "div",
        null,
        h("div", { className: "dialog-head" }, h("h2", { id: `${id}-title` }, title), h(CloseButton, { onClick: close })),
        description && h("p", { id: `${id}-description`, className: "dialog-description" }, description),
        h("div", { className: "dialog-body" }, children),
      ),
  );
}

// Navigation that slides in on phones; following a link or choosing from a list closes it.
export function Drawer({ label, children }) {
  const ref = useRef(null);
  const close = () => ref.current?.close();
  return h(
    "div",
    null,
    h(
      "button",
      { type: "button", className: "btn btn-ghost btn-icon", "aria-label": `Open ${label}`, onClick: () => ref.current.showModal() },
      h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#menu" })),
    ),
    h(
      "dialog",
      {
        ref,
        className: "drawer",
        "aria-label": label,
        onClick: (event) => (event.target === ref.current || event.target.closest("a")) && close(),
        onChange: close,
      },
      children,
      h(CloseButton, { onClick: close, className: "drawer-close" }),
    ),
  );
}

// Asks for the name of what will be lost before the button can be pressed.
export function ConfirmByName({ name, confirmLabel, busy, onConfirm, onCancel }) {
  const [typed, setTyped] = useState("");
  const id = useId();
  const matches = typed.trim() === String(name).trim();
  return h(
    "form",
    {
      className: "flex flex-col gap-4",
      onSubmit: (event) => {
        event.preventDefault();
        if (matches && !busy) onConfirm?.(typed);
      },
    },
    h(
      "div",
      { className: "field" },
      h("label", { className: "field-label", htmlFor: id }, "Type ", h("strong", null, name), " to confirm"),
      h("input", {
        id,
        className: "control",
        value: typed,
        onChange: (event) => setTyped(event.target.value),
        autoComplete: "off",
        autoCapitalize: "off",
        spellCheck: false,
        autoFocus: true,
      }),
    ),
    h(
      "div",
      { className: "dialog-actions" },
      h("button", { type: "button", className: "btn btn-secondary", onClick: () => onCancel?.() }, "Cancel"),
      h(
        "button",
        { type: "submit", className: "btn btn-danger", disabled: !matches || busy },
        busy && h("span", { className: "spinner", "aria-hidden": true }),
        confirmLabel,
      ),
    ),
  );
}
