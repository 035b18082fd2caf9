"""How pages look: one style sheet, light and dark."""

_LIGHT = """color-scheme:light dark;
--page:#fff;--card:#f4f6f8;--text:#1b1f24;--quiet:#57606a;--rule:#d3d9df;--link:#0b5cb8;
--warn-page:#fff3d1;--warn-text:#5f3b00;--warn-rule:#c98a00;
--s0:#0b62c4;--s1:#c2410c;--s2:#0f7b4f;--s3:#8e3bb0;--s4:#856500;--s5:#b0215f;--s6:#1f7280;
--s7:#5c5c5c;"""

_DARK = """--page:#14171a;--card:#1e2327;--text:#e6e9ec;--quiet:#a5afb9;--rule:#3a4148;
--link:#86bdff;--warn-page:#3a2c05;--warn-text:#ffe1a0;--warn-rule:#d9a11e;
--s0:#6fb1ff;--s1:#ff9a62;--s2:#4fd09a;--s3:#d08df0;--s4:#e3c34a;--s5:#ff82b2;--s6:#62cbd8;
--s7:#bcbcbc;"""

_SERIES = "".join(f".s{k}{{--series:var(--s{k})}}" for k in range(8))

STYLE = (
    f":root{{{_LIGHT}}}\n@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}\n{_SERIES}\n"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:40px 0 12px;padding-bottom:4px;border-bottom:1px solid var(--rule)}
h3{font-size:1rem;margin:0;overflow-wrap:anywhere}
p{margin:6px 0;max-width:75ch}
a{color:var(--link)}
a:focus-visible,button:focus-visible,select:focus-visible,summary:focus-visible{
outline:3px solid var(--link);outline-offset:2px}
.quiet,.view p{color:var(--quiet)}
.quiet{overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(125px,1fr));gap:10px;
margin:20px 0}
.cards div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 12px}
.cards dt{color:var(--quiet);font-size:.85rem}
.cards dd{margin:0;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
.warnings{background:var(--warn-page);color:var(--warn-text);border-left:5px solid var(--warn-rule);
margin:16px 0;padding:10px 16px 10px 34px;border-radius:4px;overflow-wrap:anywhere}
.wide{overflow-x:auto}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:18px;
align-items:start}
.beside .wide{max-height:640px;overflow:auto}
.beside table{width:100%}
.beside thead th{position:sticky;top:0;background:var(--page);z-index:1}
.beside .charts{grid-template-columns:minmax(0,1fr)}
table{border-collapse:collapse;font-size:.93rem}
th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--rule);
vertical-align:middle;overflow-wrap:anywhere}
th[scope=row]{font-weight:500;color:var(--quiet)}
th{overflow-wrap:break-word}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th.number,th.number button{text-align:right}
td.best{font-weight:700}
tr.differs>*{background:var(--warn-page);color:var(--warn-text)}
th button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:2px 0;
cursor:pointer;text-align:left}
th button::after{content:" \\2195";color:var(--quiet)}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
td img{display:block;height:52px;width:auto;max-width:110px;object-fit:contain}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:8px;
padding:10px 10px 4px;min-width:0}
figcaption{font-weight:600;font-size:.95rem;display:flex;flex-wrap:wrap;gap:2px 14px}
figcaption strong{flex-basis:100%}
.key{font-weight:400;font-size:.85rem;color:var(--text);overflow-wrap:anywhere}
.key::before{content:"";display:inline-block;width:18px;height:4px;border-radius:2px;
background:var(--series);margin-right:6px;vertical-align:middle}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:14px}
.chart{display:block;width:100%;height:auto}
.chart text{fill:var(--text);font-size:13px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.axis{stroke:var(--quiet);stroke-width:1;fill:none}
.line{stroke:var(--series);stroke-width:2;fill:none;stroke-linejoin:round}
.faint{stroke-width:1;opacity:.35}
.d1:not(.faint){stroke-dasharray:7 4}
.d2:not(.faint){stroke-dasharray:2 3}
.dots circle{fill:var(--series)}
.level{stroke:var(--text);stroke-width:1.3;stroke-dasharray:6 4;fill:none}
.bar{fill:var(--s0)}
.view{margin:0 0 26px;scroll-margin-top:12px}
.view:target{outline:3px solid var(--link);outline-offset:6px;border-radius:4px}
.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(47%,240px),1fr));gap:10px;
align-items:start}
.row a{display:block;text-decoration:none;color:var(--quiet);font-size:.88rem;cursor:zoom-in;
min-width:0}
.row img{display:block;width:100%;height:auto;background:var(--card);border-radius:3px}
.row span{overflow-wrap:anywhere}
details{margin:14px 0}
summary{cursor:pointer;font-weight:600}
dialog{border:1px solid var(--rule);border-radius:10px;padding:14px;background:var(--page);
color:var(--text);max-width:98vw;max-height:98vh}
dialog::backdrop{background:rgb(0 0 0/.7)}
dialog button,dialog select{font:inherit;color:inherit;background:var(--card);
border:1px solid var(--rule);border-radius:6px;padding:4px 10px;max-width:38vw}
.bar-of-dialog{display:flex;flex-wrap:wrap;gap:8px 18px;justify-content:space-between;
margin-bottom:10px;align-items:center;overflow-wrap:anywhere}
#pair{position:relative;--at:50%;margin:0 auto;max-width:100%;overflow:hidden}
#pair img{display:block;width:100%;height:auto;user-select:none}
#pair #over{position:absolute;inset:0;height:100%;clip-path:inset(0 calc(100% - var(--at)) 0 0)}
#pair.blocks img{image-rendering:pixelated}
#edge{position:absolute;top:0;bottom:0;left:var(--at);width:3px;margin-left:-1.5px;
background:#fff;box-shadow:0 0 0 1px #000;pointer-events:none}
#at{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:ew-resize}
#pair:focus-within{outline:3px solid var(--link);outline-offset:2px}
@media print{dialog,th button::after{display:none}}
"""
)
