// Copies a text and says so.
import { createElement as h, useEffect, useState } from "react";

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on a local network has no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function CopyButton({ text, label, iconOnly, className = "" }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return h(
    "button",
    { type: "button", className, "aria-label": iconOnly ? label : undefined, onClick: () => copy(text).then(() => setCopied(true)) },
    h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: `/icons.svg#${copied ? "check" : "copy"}` })),
    !iconOnly && (copied ? "Copied" : label),
    h("span", { className: "sr-only", role: "status" }, copied ? "Copied" : ""),
  );
}
