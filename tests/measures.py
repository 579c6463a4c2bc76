"""JavaScript that measures pages in a browser."""

from __future__ import annotations

CONTRAST = """(badge) => {
  const rgb = (colour) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb(colour).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(badge);
  const [dark, bright] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}"""
"""Returns the contrast of a badge: how much brighter the brighter of its two colours is."""

WATCH_SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  const page = document.querySelector("h1")?.closest("main");
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const ours = sources.filter(({ node }) => node && page?.contains(node));
    if (!hadRecentInput && ours.length > 0) {
      const what = ours.map(({ node }) => node.textContent.slice(0, 60));
      globalThis.shifts.push({ value, what });
    }
  }
}).observe({ type: "layout-shift", buffered: true });
"""
"""Runs before a page loads: records layout shifts inside our part of the page."""

FOCUS_IS_SEEN = """() => {
  const it = document.activeElement;
  const style = getComputedStyle(it);
  const isMarked = style.outlineStyle !== "none" || style.boxShadow !== "none";
  const isPastTheEnd = it === document.body;
  return isPastTheEnd || isMarked || it.getBoundingClientRect().width <= 1;
}"""
"""Returns whether the focus is visible."""

IS_UNCOVERED = """() => {
  const it = document.activeElement;
  const { x, y, width, height } = it.getBoundingClientRect();
  if (width <= 1 || it === document.body) {
    return true;
  }
  const corners = [[x + 4, y + 4], [x + 4, y + height - 4]]; // a unit may lie at the right
  return corners.every(([left, top]) => {
    const seen = document.elementFromPoint(left, top);
    return seen && (it.contains(seen) || seen.contains(it) || seen.closest("label"));
  });
}"""
"""Returns whether the focused element is inside the window and nothing covers it."""

HAS_SETTLED = """() => document.getAnimations().every(
  ({ playState, effect }) => playState !== "running" || effect.getTiming().iterations === Infinity
)"""
"""Returns whether no element is fading in or out any more."""

CUT_TEXTS = """() => {
  const scrolls = (it) => {
    for (let at = it; at; at = at.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(at).overflowX) && at !== document.body) {
        if (at.scrollWidth > at.clientWidth) return true;
      }
    }
    return false;
  };
  const hides = (style) => [style.overflowX, style.overflowY].some((one) => one === "hidden");
  const ownText = (it) => [...it.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  const cut = [...document.querySelectorAll("main *, [role$=dialog] *")].filter((it) => {
    const { left, right, width, height } = it.getBoundingClientRect();
    const style = getComputedStyle(it);
    if (width <= 1 || height <= 1 || style.clipPath !== "none" || !it.innerText) return false;
    const isShortened = hides(style)
      && (it.scrollWidth > it.clientWidth + 1 || it.scrollHeight > it.clientHeight + 2);
    const isOutside = ownText(it) && (right > innerWidth + 1 || left < -1);
    return (isShortened && !scrolls(it)) || (isOutside && !scrolls(it));
  });
  return cut.map((it) => it.innerText.slice(0, 80));
}"""
"""Returns the texts that are shortened, or that lie beyond the edge of the window."""
