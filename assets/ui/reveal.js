// Brings its content into view once and puts the focus there, for links that lead into a long page.
import { createElement as h, useEffect, useRef } from "react";

export function Reveal({ className, children }) {
  const ref = useRef(null);
  useEffect(() => {
    ref.current.scrollIntoView({ block: "center" });
    ref.current.focus({ preventScroll: true });
  }, []);
  return h("div", { ref, tabIndex: -1, className }, children);
}
