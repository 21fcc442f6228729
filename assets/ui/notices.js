// Short messages in the corner. The state keeps the list; this shows each for a while and tells the
// state when one may go. Errors stay longer, and nothing goes while it is pointed at or focused.
import { createElement as h, useEffect, useRef, useState } from "react";

const SHOWN_MS = { danger: 12000, warn: 9000 };
const ICONS = { success: "success", info: "info", warn: "warn", danger: "error" };

function Notice({ notice, onDismiss }) {
  const [held, setHeld] = useState(false);
  const dismiss = useRef(onDismiss);
  dismiss.current = onDismiss;
  useEffect(() => {
    if (held) return undefined;
    const timer = setTimeout(() => dismiss.current(notice.id), SHOWN_MS[notice.tone] ?? 6000);
    return () => clearTimeout(timer);
  }, [held, notice.id, notice.tone]);
  const hold = () => setHeld(true);
  const release = () => setHeld(false);
  return h(
    "div",
    { className: `notice notice-${notice.tone}`, onMouseEnter: hold, onMouseLeave: release, onFocus: hold, onBlur: release },
    h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: `/icons.svg#${ICONS[notice.tone] ?? "info"}` })),
    h("p", null, notice.text),
    h(
      "button",
      { type: "button", "aria-label": "Dismiss", onClick: () => onDismiss(notice.id) },
      h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: "/icons.svg#close" })),
    ),
  );
}

export function Notices({ items = [], onDismiss }) {
  const region = useRef(null);
  // A modal window makes the rest of the page inert, so the messages move above it.
  useEffect(() => {
    const element = region.current;
    if (!element?.showPopover) return;
    if (element.matches(":popover-open")) element.hidePopover();
    if (items.length) element.showPopover();
  }, [items]);
  const group = (urgent) =>
    items
      .filter((notice) => (notice.tone === "danger") === urgent)
      .map((notice) => h(Notice, { key: notice.id, notice, onDismiss }));
  return h(
    "section",
    { ref: region, className: "notices", popover: "manual", "aria-label": "Messages" },
    h("div", { role: "status", className: "notices-group" }, group(false)),
    h("div", { role: "alert", className: "notices-group" }, group(true)),
  );
}
