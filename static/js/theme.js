// Sets the theme before the first paint. A classic script on purpose: a module would run after it.
(function () {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    let choice = null;
    try { choice = localStorage.getItem("lmcache.theme"); } catch (error) { /* storage is off: follow the system */ }
    const theme = choice === "light" || choice === "dark" ? choice : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.themeChoice = choice || "system";
  }
  dark.addEventListener("change", apply);
  addEventListener("lmcache-theme", apply);
  apply();
})();
