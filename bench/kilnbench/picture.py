"""Pictures as SVG that can be read on light and on dark ground: a chart of bars, and a flame graph."""

import math

from xml.sax.saxutils import escape, quoteattr

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.faint { fill: #59636e }
.ground { fill: #ffffff }
.line { stroke: #d1d9e0; stroke-width: 1 }
.bar { fill: #8c959f }
.own { fill: #c2410c }
.tail { stroke: #59636e; stroke-width: 1.5; fill: none }
.frame { stroke: #ffffff; stroke-width: 0.5 }
/* Frames are light in both schemes, so the words on them are dark in both. */
.frame + text { font-size: 11px; fill: #1f2328 !important; pointer-events: none }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .faint { fill: #9198a1 } .ground { fill: #0d1117 } .line { stroke: #3d444d }
.bar { fill: #656c76 } .own { fill: #f97316 } .tail { stroke: #9198a1 } .frame { stroke: #0d1117 }
}
</style>"""


def document(width, height, label, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f"role=\"img\" aria-label={quoteattr(label)}>\n{STYLE}\n"
            f'<rect class="ground" width="{width}" height="{height}"/>\n{body}</svg>\n')


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>\n'


def time_words(us):
    for limit, divisor, unit in ((1000, 1, "µs"), (1e6, 1000, "ms")):
        if us < limit:
            return f"{us / divisor:.{0 if us / divisor >= 100 else 1}f} {unit}"
    return f"{us / 1e6:.2f} s"


def bars(title, subtitle, rows):
    """Bars of p50 with a tail to p99, on a logarithmic scale. rows: (name, p50 µs, p99 µs, words behind, own?)."""
    left, width, step, top = 170, 900, 26, 70
    low = math.log10(min(p50 for _, p50, _, _, _ in rows)) - 0.3
    high = math.log10(max(p99 for _, _, p99, _, _ in rows)) + 0.05
    right = width - 210

    def at(us):
        return left + (math.log10(us) - low) / (high - low) * (right - left)

    height = top + step * len(rows) + 44
    body = text(16, 28, title, "title") + text(16, 48, subtitle, "faint")
    for power in range(math.ceil(low), math.floor(high) + 1):
        x = at(10**power)
        body += f'<line class="line" x1="{x:.1f}" y1="{top - 8}" x2="{x:.1f}" y2="{height - 30}"/>\n'
        body += text(x, height - 12, time_words(10**power), "faint", "middle")
    for i, (name, p50, p99, words, own) in enumerate(rows):
        y = top + i * step
        body += text(left - 8, y + 13, name, "", "end")
        body += (f'<rect class="{"own" if own else "bar"}" x="{left}" y="{y}" width="{at(p50) - left:.1f}" '
                 f'height="{step - 8}" rx="2"><title>{escape(name)}: p50 {time_words(p50)}, p99 {time_words(p99)}</title></rect>\n')
        body += (f'<path class="tail" d="M{at(p50):.1f} {y + 9}H{at(p99):.1f}m0 -5v10"/>\n')
        body += text(right + 12, y + 13, f"{time_words(p50)}  {words}", "faint")
    return document(width, height, f"{title}: {subtitle}", body)


def flame(title, subtitle, stacks):
    """A flame graph. stacks: {("outermost", …, "innermost"): weight}. Widths are shares of the sum of the weights."""
    tree = {"name": "all", "weight": 0, "below": {}}
    for frames, weight in stacks.items():
        node = tree
        node["weight"] += weight
        for frame in frames:
            node = node["below"].setdefault(frame, {"name": frame, "weight": 0, "below": {}})
            node["weight"] += weight
    width, row, top = 1200, 17, 64
    parts, depth_max = [], 0

    def draw(node, x, depth):
        nonlocal depth_max
        span = node["weight"] / tree["weight"] * (width - 32)
        if span < 0.6:
            return
        depth_max = max(depth_max, depth)
        parts.append((node, x, depth, span))
        for name in sorted(node["below"]):
            below = node["below"][name]
            draw(below, x, depth + 1)
            x += below["weight"] / tree["weight"] * (width - 32)

    draw(tree, 16, 0)
    height = top + (depth_max + 1) * row + 16
    body = text(16, 28, title, "title") + text(16, 48, subtitle, "faint")
    for node, x, depth, span in parts:
        y = height - 16 - (depth + 1) * row
        share = 100 * node["weight"] / tree["weight"]
        body += (f'<g><rect class="frame" x="{x:.1f}" y="{y}" width="{span:.1f}" height="{row}" fill="{colour(node["name"])}">'
                 f'<title>{escape(node["name"])}: {share:.1f} %</title></rect>')
        letters = int((span - 6) / 6.4)
        if letters >= 3:
            name = node["name"] if len(node["name"]) <= letters else node["name"][: letters - 1] + "…"
            body += f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(name)}</text>'
        body += "</g>\n"
    return document(width, height, f"{title}: {subtitle}", body)


def colour(name):
    """The same name has the same colour in every picture: the kernel's own blue, programs red to yellow."""
    seed = sum(ord(letter) * (i + 7) for i, letter in enumerate(name))
    if name.endswith("_[k]"):
        return f"hsl({200 + seed % 30} 55% {62 + seed % 12}%)"
    return f"hsl({12 + seed % 40} 78% {60 + seed % 12}%)"
