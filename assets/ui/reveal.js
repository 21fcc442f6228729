// Brings its content into view once and puts the focus there, for links that lead into a long page. Quietly, it
// leaves the focus where it is, and the page too unless the content begins near the bottom or beyond.
import { createElement as h, useEffect, useRef } from "react";

const NEAR_BOTTOM = 0.6;

export function Reveal({ className, quietly, children }) {
  const ref = useRef(null);
  useEffect(() => {
    if (quietly) {
      const { top } = ref.current.getBoundingClientRect();
      if (top > window.innerHeight * NEAR_BOTTOM) ref.current.scrollIntoView({ block: "start" });
      return;
    }
    ref.current.scrollIntoView({ block: "center" });
    ref.current.focus({ preventScroll: true });
  }, []);
  return h("div", { ref, tabIndex: quietly ? undefined : -1, className }, children);
}
