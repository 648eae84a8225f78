// The style of a timeline page: no script, image or font from anywhere, in light and dark.
import { createHash } from 'node:crypto'

export const STYLE = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#e2e6ea;--bar:#4c7ef3;--bad:#c62f2f;--badpaper:#fdf0ef;--good:#1d7f45;--chip:#eef1f4}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e4e8ec;--soft:#98a2ad;--line:#2b3138;--bar:#6f9bff;--bad:#ff8178;--badpaper:#2a1a1b;--good:#5fca8c;--chip:#22282f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.3rem;margin:0 0 .25rem;overflow-wrap:anywhere}
.about{color:var(--soft);margin:0 0 1rem}
.about b{color:var(--ink);font-weight:600}
.about .bad{color:var(--bad)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;color:var(--soft);font-size:.85rem;padding:.35rem .6rem;border-bottom:2px solid var(--line);white-space:nowrap}
td{padding:.45rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td:nth-child(1),td:nth-child(2),.num{font-variant-numeric:tabular-nums;white-space:nowrap;overflow-wrap:normal}
td:nth-child(1){color:var(--soft)}
td:nth-child(5){min-width:9rem}
tr.bad{background:var(--badpaper)}
tr.bad td:nth-child(3) b{color:var(--bad)}
.status{display:inline-block;background:var(--chip);border-radius:.6rem;padding:0 .5rem;font-size:.85rem}
.status.bad{color:var(--bad)}.status.good{color:var(--good)}
.small{color:var(--soft);font-size:.85rem}
h1,td *{unicode-bidi:isolate}
svg{display:block;margin-top:.25rem}
rect{fill:var(--bar)}tr.bad rect{fill:var(--bad)}
details{margin-top:.25rem}summary{cursor:pointer;color:var(--soft);font-size:.85rem}
pre{margin:.3rem 0 0;padding:.5rem;background:var(--chip);border-radius:.3rem;overflow-x:auto;font-size:.8rem;white-space:pre-wrap;max-height:24rem}
nav{display:flex;gap:1.5rem;margin:1rem 0}
a{color:var(--bar)}
`

/** Content-Security-Policy: nothing but this very style. */
export const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
