/**
 * Calls `wake` when the network is back and when the page becomes visible. Timers of pages in the background are
 * slow, so that a page that comes back should not wait for them. Returns the undo. Without a browser it does nothing.
 */
export function onWake(wake: () => void): () => void {
  const { addEventListener, document } = globalThis as unknown as Partial<Window>;
  if (typeof addEventListener !== "function") return () => {};
  const visible = () => {
    if (document?.visibilityState === "visible") wake();
  };
  globalThis.addEventListener("online", wake);
  document?.addEventListener("visibilitychange", visible);
  return () => {
    globalThis.removeEventListener("online", wake);
    document?.removeEventListener("visibilitychange", visible);
  };
}
