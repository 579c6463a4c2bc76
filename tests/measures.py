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
