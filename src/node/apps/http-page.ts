/** The page at `/`. Addresses come from the stack, but are escaped like everything that goes into a page. */
export function homePage(client: string | undefined, server: string | undefined): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Served by Weft</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1.05rem/1.55 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1.25rem; }
  h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: 0.4rem; }
  code { font-family: ui-monospace, monospace; font-size: 0.92em; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1.2rem; margin: 1.6rem 0; }
  dt { opacity: 0.65; } dd { margin: 0; }
</style>
<h1>A TCP/IP stack written in TypeScript served this page</h1>
<p>No kernel socket was involved at this end. Weft answered the ARP or neighbor solicitation, completed the TCP
handshake, put the request together from segments, and handed the bytes to Node's own <code>http</code>.</p>
<dl>
  <dt>You are</dt><dd><code>${escapeHtml(client ?? "unknown")}</code></dd>
  <dt>This is</dt><dd><code>${escapeHtml(server ?? "unknown")}</code></dd>
</dl>
<p>Also here: <code>GET /bytes/1000000</code> sends that many bytes, byte <i>i</i> being <i>i</i> mod 251;
<code>POST /sha256</code> answers with the digest of what it was sent.</p>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
