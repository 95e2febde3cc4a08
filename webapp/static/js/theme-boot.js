// Runs before the first paint so that a light-theme reader sees no dark flash.
try {
  const theme = localStorage.getItem("arc.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is blocked: the dark default stands */ }
