// Arrow keys between tabs (https://www.w3.org/WAI/ARIA/apg/patterns/tabs/); pressing stays a click.
import { createElement as h } from "react";

export function TabList({ label, children }) {
  const onKeyDown = (event) => {
    const tabs = [...event.currentTarget.querySelectorAll("[role=tab]:not([disabled])")];
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length);
    tab.focus();
    tab.click();
  };
  return h("div", { role: "tablist", "aria-label": label, className: "tabs", onKeyDown }, children);
}
