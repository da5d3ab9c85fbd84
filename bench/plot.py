# SPDX-License-Identifier: MIT
"""Plots of a run as SVG: bars for ratios, curves where a load has an x axis.

Both axes of the curves and that of the bars are logarithmic: programs differ by a thousand times.
No library, no outside request, and fonts that every viewer has.
"""
import html
import math

import aims

COLOURS = {'ours': '#0b6e4f', 'limit': '#9aa0a6', 'peer': '#3f6fb5'}
CURVES = {'ours': ('#0b6e4f', '#37a67d', '#5a8f00', '#00363a', '#1a9e96'),
          'limit': ('#70757a',), 'peer': ('#3f6fb5', '#c2571a', '#8e44ad', '#b8860b', '#d81b60')}
WIDTH = 860
ROW = 22


class Drawing:
    def __init__(self, width, height, title):
        self.parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
            'role="img" font-family="sans-serif" font-size="12">' % (width, height, width, height),
            '<title>%s</title>' % html.escape(title),
            '<rect width="100%" height="100%" fill="#fff"/>']

    def line(self, x1, y1, x2, y2, colour='#d0d4d8', width=1, dash=''):
        self.parts.append('<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="%g"%s/>' % (
            x1, y1, x2, y2, colour, width, ' stroke-dasharray="%s"' % dash if dash else ''))

    def curve(self, points, colour, width, dash):
        self.parts.append(
            '<path d="M%s" fill="none" stroke="%s" stroke-width="%g"%s/>' % (
                'L'.join('%.1f %.1f' % p for p in points), colour, width,
                ' stroke-dasharray="%s"' % dash if dash else ''))
        for x, y in points:
            self.parts.append('<circle cx="%.1f" cy="%.1f" r="%g" fill="%s"/>' % (
                x, y, width + 1, colour))

    def bar(self, x, y, width, height, colour):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>' % (
            x, y, width, height, colour))

    def text(self, x, y, text, anchor='start', colour='#202124', bold=False, size=12):
        self.parts.append('<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s"%s%s>%s</text>' % (
            x, y, anchor, colour, ' font-weight="bold"' if bold else '',
            ' font-size="%d"' % size if size != 12 else '', html.escape(text)))

    def svg(self):
        return '\n'.join([*self.parts, '</svg>\n'])


class LogScale:
    """Values low..high on a line from `at` of the given length (negative: upwards)."""

    def __init__(self, low, high, at, length):
        self.low, self.high = math.log10(low), math.log10(high)
        self.at, self.length = at, length

    def __call__(self, value):
        return self.at + (math.log10(value) - self.low) / (self.high - self.low) * self.length

    def ticks(self):
        return [10.0 ** e for e in range(math.ceil(self.low - 1e-9),
                                         math.floor(self.high + 1e-9) + 1)]


def short(value):
    """1,234 and 0.012 with three digits at most."""
    if value >= 100:
        return '{:,.0f}'.format(float('%.3g' % value))
    return '%g' % float('%.3g' % value)


# ---- bars ----------------------------------------------------------------------------------------

def bars(load):
    """How each program does beside our best, which is the line in the middle: 1."""
    metric = next(m for m in load['metrics'] if m['key'] == load['ratio_of'])
    ours = aims.best(load['rows'], metric, kind='ours')
    rows = [row for row in load['rows'] if row.get('median', {}).get(metric['key'])]
    if ours is None:
        return None
    ratios = [aims.factor(row['median'][metric['key']], ours['median'][metric['key']], metric)
              for row in rows]
    left, right, top = 275, WIDTH - 130, 62
    scale = LogScale(min([*ratios, 0.5]), max([*ratios, 2]), left, right - left)
    bottom = top + ROW * len(rows)
    d = Drawing(WIDTH, bottom + 44, load['title'])
    d.text(16, 24, load['title'], bold=True, size=15)
    d.text(16, 44, '%s; left of the line: worse than the best of ours, right of it: better' %
           metric['title'], colour='#5f6368')
    for tick in scale.ticks():
        d.line(scale(tick), top - 4, scale(tick), bottom)
        d.text(scale(tick), bottom + 16, '%g times' % tick if tick >= 1 else '1/%g' % (1 / tick),
               'middle', '#5f6368')
    for i, (row, value) in enumerate(zip(rows, ratios)):
        draw_bar(d, row, metric, scale, value, top + ROW * i)
    d.line(scale(1), top - 4, scale(1), bottom, '#0b6e4f', 1.5)
    d.text(scale(1), bottom + 34, 'our best', 'middle', '#0b6e4f', bold=True)
    return d.svg()


def draw_bar(d, row, metric, scale, value, y):
    colour = COLOURS[row['kind']]
    a, b = sorted((scale(1), scale(value)))
    d.text(265, y + 15, row['name'], 'end', bold=row['kind'] == 'ours')
    d.bar(a, y + 4, max(b - a, 2), ROW - 8, colour)
    d.text(max(b, scale(1)) + 6, y + 15, '{:,.{}f}'.format(row['median'][metric['key']],
                                                           metric['digits']), colour='#5f6368')


# ---- curves --------------------------------------------------------------------------------------

def points_of(load, row):
    return [(m['x'], row['median'][m['key']]) for m in load['metrics']
            if m['x'] is not None and row.get('median', {}).get(m['key'])]


def curves(load):
    left, right, top, bottom = 76, WIDTH - 290, 62, 440
    series = [(row, points_of(load, row)) for row in load['rows']]
    series = [(row, points) for row, points in series if points]
    if not series:
        return None
    values = [y for _, points in series for _, y in points]
    places = [x for _, points in series for x, _ in points]
    x_scale = LogScale(min(places), max(places), left, right - left)
    y_scale = LogScale(min(values) / 1.3, max(values) * 1.3, bottom, top - bottom)
    d = Drawing(WIDTH, bottom + 50, load['title'])
    d.text(16, 24, load['title'], bold=True, size=15)
    d.text(16, 46, load['y_title'], colour='#5f6368')
    draw_axes(d, load, x_scale, y_scale, (left, right, top, bottom))
    used, ends = {}, []
    for row, points in series:
        n = used[row['kind']] = used.get(row['kind'], -1) + 1
        colour = CURVES[row['kind']][n % len(CURVES[row['kind']])]
        dash = '5 4' if row['kind'] == 'limit' else ''
        drawn = [(x_scale(x), y_scale(y)) for x, y in points]
        d.curve(drawn, colour, 2.5 if row['kind'] == 'ours' else 1.3, dash)
        ends.append((*drawn[-1], row, points[-1][1], colour))
    draw_names(d, ends, right, (top, bottom))
    return d.svg()


def draw_axes(d, load, x_scale, y_scale, frame):
    left, right, top, bottom = frame
    for x in sorted({m['x'] for m in load['metrics'] if m['x'] is not None}):
        d.line(x_scale(x), top, x_scale(x), bottom)
        d.text(x_scale(x), bottom + 16, '{:,g}'.format(x), 'middle', '#5f6368')
    for y in y_scale.ticks():
        d.line(left, y_scale(y), right, y_scale(y))
        d.text(left - 8, y_scale(y) + 4, '{:,g}'.format(y), 'end', '#5f6368')
    d.text((left + right) / 2, bottom + 38, load['x_title'], 'middle', '#5f6368')


def draw_names(d, ends, right, frame):
    """Each curve's name beside its end, moved so that none covers another."""
    top, bottom = frame
    ends.sort(key=lambda end: end[1])
    places, least = [], top
    for end in ends:
        least = max(end[1], least)
        places.append(least)
        least += 15
    shift = max(0, places[-1] - bottom)
    for i in reversed(range(len(places))):     # push up what has run out below
        limit = bottom if i == len(places) - 1 else places[i + 1] - 15
        places[i] = min(places[i], limit) if shift else places[i]
    for (x, y, row, value, colour), place in zip(ends, places):
        d.line(x + 4, y, right + 18, place, colour, 0.7)
        d.text(right + 22, place + 4, '%s  %s' % (row['name'], short(value)), colour=colour,
               bold=row['kind'] == 'ours')


def draw(load):
    """The plot of a load as SVG, or None: nothing to draw."""
    if load.get('missing'):
        return None
    return curves(load) if load['x_title'] else bars(load)
