/** How the readable page of the interface looks: the colours of the page in web-demo/style.css. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f5f2;
  --card: #ffffff;
  --ink: #1c1f21;
  --quiet: #62686c;
  --line: #dcdad4;
  --accent: #0f766e;
  --accent-soft: #e3f1ef;
  --alarm: #a4262c;
  --alarm-soft: #fbe9e8;
  --code: #efede8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141718;
    --card: #1d2122;
    --ink: #eceeed;
    --quiet: #a0a8a8;
    --line: #33393a;
    --accent: #2dbfae;
    --accent-soft: #1b3330;
    --alarm: #ffb4ab;
    --alarm-soft: #45211f;
    --code: #14181a;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 16px; background: var(--ground); }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto;
  max-width: 1240px;
  padding: 0 20px 60px;
  display: grid;
  grid-template-columns: 250px minmax(0, 1fr);
  gap: 0 40px;
  color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
header { grid-column: 1 / -1; padding: 28px 0 20px; }
h1 { margin: 0; font-size: 1.7rem; letter-spacing: -0.02em; }
h1 small { font-size: 0.9rem; font-weight: 400; color: var(--quiet); letter-spacing: 0; }
header p { margin: 6px 0 0; max-width: 70ch; color: var(--quiet); }
a { color: var(--accent); }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 8px 0 24px; font-size: 0.9rem; }
nav h2 { margin: 18px 0 4px; font-size: 0.75rem; text-transform: uppercase; letter-spacing: 0.06em; color: var(--quiet); }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: flex; gap: 8px; align-items: baseline; padding: 3px 0; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { color: var(--accent); }
nav .method { min-width: 3.4em; font-size: 0.65rem; }
main > section > h2 { margin: 26px 0 2px; font-size: 1.25rem; }
main > section > p { margin: 0 0 10px; color: var(--quiet); }
article { margin: 14px 0 22px; padding: 18px 22px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
article h3 { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin: 0; font-size: 1.1rem; }
article h3 a { color: inherit; text-decoration: none; overflow-wrap: anywhere; }
article > p { margin: 8px 0; max-width: 75ch; }
article h4 { margin: 18px 0 6px; font-size: 0.8rem; text-transform: uppercase; letter-spacing: 0.06em; color: var(--quiet); }
code, pre, .path { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.9em; }
pre { margin: 0; padding: 12px 14px; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: 8px; font-size: 0.85rem; line-height: 1.45; }
.method { display: inline-block; padding: 0 0.5em; border-radius: 5px; background: var(--accent-soft); color: var(--accent); font: 600 0.75rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; text-align: center; }
.method.delete { background: var(--alarm-soft); color: var(--alarm); }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 6px 14px 6px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--quiet); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td:first-child { white-space: nowrap; }
.bad { color: var(--alarm); }
.good { color: var(--accent); }
details { margin-top: 16px; }
summary { cursor: pointer; color: var(--quiet); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
@media (max-width: 820px) {
  body { display: block; }
  nav { position: static; max-height: none; columns: 2; }
  article { padding: 14px; }
}
`
