// A password field whose text can be shown.
import { createElement as h, useState } from "react";

export function PasswordInput(props) {
  const [shown, setShown] = useState(false);
  return h(
    "div",
    { className: "control-group" },
    h("input", { ...props, type: shown ? "text" : "password", autoCapitalize: "off", spellCheck: false }),
    h(
      "button",
      { type: "button", "aria-label": shown ? "Hide password" : "Show password", onClick: () => setShown(!shown) },
      h("svg", { className: "icon", "aria-hidden": true }, h("use", { href: `/icons.svg#${shown ? "eye-off" : "eye"}` })),
    ),
  );
}
