// What the first paint must know: the theme, the view, how much room the alerts took. A classic
// script on purpose: a module would run after it.
(function () {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function recall(name) {
    try {
      return localStorage.getItem("lmcache." + name);
    } catch (error) {
      return null;
    } // storage is off
  }
  function apply() {
    const choice = recall("theme");
    const theme =
      choice === "light" || choice === "dark" ? choice : dark.matches ? "dark" : "light";
    root.dataset.theme = theme;
    root.dataset.themeChoice = choice || "system";
  }
  dark.addEventListener("change", apply);
  addEventListener("lmcache-theme", apply);
  apply();
  const place = /^#\/(node|events|compare|many|nodes)\b/.exec(location.hash);
  root.dataset.view = place ? place[1] : "cluster";
  // The room that the parts of the cluster view took the last time, and at first about what they
  // take: nothing below them jumps.
  const isNarrow = matchMedia("(max-width: 900px)").matches;
  for (const [name, height] of Object.entries({
    alerts: isNarrow ? 700 : 200,
    tiles: 160,
    map: 640,
  }))
    root.style.setProperty(`--${name}`, `${Number(recall(name)) || height}px`);
})();
