// Runs before the first paint so that nobody sees a flash of the other theme: the reader's choice, else the system's.
{
  let theme = null;
  try {
    theme = localStorage.getItem("arc.theme");
  } catch { /* storage is blocked: the system's preference stands */ }
  if (theme !== "light" && theme !== "dark") theme = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
}
