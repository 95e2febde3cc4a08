"""The page as a test sees it: what it says of itself (`window.arc.state()`) and what it complains about."""

from __future__ import annotations

from typing import Any

SEEN_WHOLE = """(() => {
    const box = document.querySelector('.tree-canvas').getBoundingClientRect();
    return [...document.querySelectorAll('.tree-canvas .dot')].every((dot) => {
        const at = dot.getBoundingClientRect();
        return at.left >= box.left && at.right <= box.right && at.top >= box.top && at.bottom <= box.bottom;
    });
})()"""
"""Root, ends and all between them are in view."""


class View:
    """A playwright page with the waits the tests repeat. Nothing here sleeps: it waits on the page's own state."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.noise: list[str] = []
        self.allowed: list[str] = []
        page.on("console", lambda message: message.type in ("error", "warning") and self.noise.append(message.text))
        page.on("pageerror", lambda error: self.noise.append(str(error)))

    def open(self, url: str, *, theme: str = "dark") -> View:
        """Load the page and wait until it has read what there is."""
        self.page.add_init_script(f"localStorage.setItem('arc.theme', '{theme}')")
        self.page.goto(url)
        return self.until("s.ready && s.connection === 'live'")

    def state(self) -> dict[str, Any]:
        """`window.arc.state()`."""
        return self.page.evaluate("window.arc.state()")

    def summary(self) -> str:
        """The state without its long lists, for a failing test."""
        state = self.state()
        for name in ("sessions", "workers", "compare", "stream"):
            state.pop(name)
        state["jobs"] = [(job["kind"], job["state"], job["error"]) for job in state["jobs"][-6:]]
        return str(state)

    def until(self, condition: str, timeout: float = 30.0) -> View:
        """Wait for a JavaScript condition on the state `s`."""
        # Not page.wait_for_function: it polls with eval, which the page's content security policy forbids.
        met = self.page.evaluate(
            f"""async (ms) => {{
                const end = performance.now() + ms;
                while (performance.now() < end) {{
                    const s = window.arc && window.arc.state();
                    if (s && ({condition})) return true;
                    await new Promise((done) => setTimeout(done, 15));
                }}
                return false;
            }}""",
            timeout * 1000,
        )
        assert met, f"not within {timeout} s: {condition}\n{self.summary()}\n{self.noise}"
        return self

    def press(self, *keys: str) -> View:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def click(self, name: str, role: str = "button", *, exact: bool = True) -> View:
        """Click the control with this accessible name."""
        self.page.get_by_role(role, name=name, exact=exact).first.click()
        return self

    def allow(self, *patterns: str) -> View:
        """Chromium logs refused requests and lost sockets itself: let these through."""
        self.allowed += patterns
        return self

    def seek(self, frame: int) -> View:
        """Put the playhead on a frame with the keyboard's slider, and wait until it is drawn."""
        self.page.evaluate("(frame) => window.arc.seek(frame)", frame)
        return self.until(f"s.shown.frame === {frame}")
