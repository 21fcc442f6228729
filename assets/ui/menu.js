// A button that opens a menu (https://www.w3.org/WAI/ARIA/apg/patterns/menu-button/) on the browser's
// popover: it lies above everything and closes on Escape or a press outside.
import { Children, createElement as h, useId, useRef, useState } from "react";

const GAP = 6;
const ITEMS = "[role^=menuitem]:not([disabled])";

function place(menu, button, align) {
  const box = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = align === "end" ? box.right - width : box.left;
  const below = box.bottom + GAP;
  const top = below + height > innerHeight && box.top > height + GAP ? box.top - GAP - height : below;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  menu.style.top = `${top}px`;
}

export function Menu({ label, triggerClass, align, children }) {
  const [open, setOpen] = useState(false);
  const button = useRef(null);
  const menu = useRef(null);
  const id = useId();
  const [trigger, ...items] = Children.toArray(children);
  const close = () => menu.current?.hidePopover();
  const focus = (move) => {
    const all = [...menu.current.querySelectorAll(ITEMS)];
    all.at(move(all.indexOf(document.activeElement), all.length))?.focus();
  };
  const show = (last) => {
    menu.current.showPopover();
    place(menu.current, button.current, align);
    focus(() => (last ? -1 : 0));
  };
  const moves = {
    ArrowDown: (at, n) => (at + 1) % n,
    ArrowUp: (at, n) => (at - 1 + n) % n,
    Home: () => 0,
    End: () => -1,
  };
  return h(
    "div",
    { className: "contents" },
    h(
      "button",
      {
        ref: button,
        type: "button",
        className: triggerClass,
        "aria-label": label || undefined,
        "aria-haspopup": "menu",
        "aria-expanded": open,
        "aria-controls": id,
        popoverTarget: id,
        popoverTargetAction: "toggle",
        onClick: (event) => {
          event.preventDefault();
          open ? close() : show(false);
        },
        onKeyDown: (event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          if (!open) show(event.key === "ArrowUp");
        },
      },
      trigger,
    ),
    h(
      "div",
      {
        ref: menu,
        id,
        popover: "auto",
        role: "menu",
        "aria-label": label || undefined,
        className: "menu",
        onToggle: (event) => setOpen(event.newState === "open"),
        onClick: (event) => event.target.closest(ITEMS) && close(),
        onKeyDown: (event) => {
          if (event.key === "Tab") return close();
          const move = moves[event.key];
          if (!move) return;
          event.preventDefault();
          focus(move);
        },
      },
      items,
    ),
  );
}
