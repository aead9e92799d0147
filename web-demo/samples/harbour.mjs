// A quay with gabled houses and moored boats: many thin lines, small windows, letters, leaves and their reflections.
import sharp from 'sharp'
import { lettering } from './lettering.mjs'
import { fbm, random } from './noise.mjs'

const WIDTH = 480
const HEIGHT = 320
/** Drawn this many times as large, then averaged down: what a camera's lens and sensor do. */
const FINE = 4
const QUAY = 206
const WATER = 226

const next = random(7)
const between = (low, high) => low + next() * (high - low)
const pick = list => list[Math.floor(next() * list.length)]
const f = value => value.toFixed(2)
const rect = (x, y, w, h, fill, more = '') => `<rect x="${f(x)}" y="${f(y)}" width="${f(w)}" height="${f(h)}" fill="${fill}" ${more}/>`
const line = (x1, y1, x2, y2, stroke, width) =>
  `<path d="M${f(x1)} ${f(y1)}L${f(x2)} ${f(y2)}" stroke="${stroke}" stroke-width="${width}" fill="none"/>`
const shape = (points, fill, more = '') => `<path d="M${points.map(([x, y]) => `${f(x)} ${f(y)}`).join('L')}Z" fill="${fill}" ${more}/>`

/** RGB, 8 bits. */
export async function drawHarbour() {
  const [w, h] = [WIDTH * FINE, HEIGHT * FINE]
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${WIDTH} ${HEIGHT}">
    <defs>
      <linearGradient id="side"><stop offset="0" stop-color="#fff" stop-opacity=".16"/><stop offset="1" stop-color="#0a1a2a" stop-opacity=".2"/></linearGradient>
      <linearGradient id="down" x2="0" y2="1"><stop offset="0" stop-color="#fff" stop-opacity=".06"/><stop offset="1" stop-color="#1a1020" stop-opacity=".22"/></linearGradient>
      <linearGradient id="glass" x2=".5" y2="1"><stop offset="0" stop-color="#9fc0d3"/><stop offset=".45" stop-color="#3c4f5e"/><stop offset="1" stop-color="#27323c"/></linearGradient>
      <linearGradient id="lit" x2=".3" y2="1"><stop offset="0" stop-color="#ffe9a8"/><stop offset="1" stop-color="#e79a3f"/></linearGradient>
    </defs>
    ${church()}${gulls()}${houses()}${quay()}${trees()}${people()}${boats()}</svg>`
  const town = await sharp(Buffer.from(svg)).raw().toBuffer()
  const picture = compose(town, w, h)
  return shrink(picture, w)
}

// ---- the town

function houses() {
  const palette = ['#c9803a', '#a63f32', '#5d7f94', '#e3cfa0', '#7d9270', '#c66f5c', '#e8e3d8', '#d6a648', '#8a4b3c', '#6f8fa8']
  let x = -14
  let out = ''
  for (let i = 0; x < WIDTH + 10; i++) {
    const w = between(40, 60)
    out += house(x, w, between(84, 122), palette[i % palette.length], i)
    x += w
  }
  return out
}

function house(x, w, tall, colour, i) {
  const top = QUAY - tall
  const gable = ['pointed', 'stepped', 'mansard', 'pointed', 'bell'][i % 5]
  const brick = i % 3 !== 0
  const rise = between(20, 30)
  const outline = gableLine(gable, x, w, top, rise)
  const wall = [[x, QUAY], ...outline, [x + w, QUAY]]
  let out = shape(wall, colour)
  if (brick) out += bricks(x, w, top, QUAY)
  out += shape(wall, 'url(#side)') + shape(wall, 'url(#down)')
  if (gable === 'mansard') out += roof(x, w, top, rise)
  else out += `<path d="M${outline.map(([px, py]) => `${f(px)} ${f(py)}`).join('L')}" fill="none" stroke="#efe8d8" stroke-width="1.6"/>`
  out += chimney(x + w * between(0.15, 0.3), top - (gable === 'mansard' ? rise : rise * 0.45))

  const floors = Math.floor((tall - 28) / 22)
  const columns = w > 52 ? 4 : 3
  const pitch = (w - 8) / columns
  for (let floor = 0; floor < floors; floor++) {
    const y = top + 5 + floor * 22
    for (let c = 0; c < columns; c++) out += windowPane(x + 4 + c * pitch + (pitch - 8) / 2, y, 8, 14)
    if (floor < floors - 1) out += rect(x, y + 18.4, w, 0.9, '#efe6d2', 'opacity=".55"')
  }
  if (gable !== 'mansard') out += windowPane(x + w / 2 - 3.5, top - rise * 0.52, 7, 9)
  return out + shop(x, w, i) + rect(x + w - 0.7, top, 1, tall, '#20242c', 'opacity=".35"')
}

function gableLine(kind, x, w, top, rise) {
  if (kind === 'mansard')
    return [
      [x, top],
      [x + w, top],
    ]
  if (kind === 'pointed')
    return [
      [x, top],
      [x + w / 2, top - rise],
      [x + w, top],
    ]
  if (kind === 'stepped') {
    const steps = 5
    const points = []
    for (let s = 0; s < steps; s++)
      points.push([x + (w / 2 / steps) * s, top - (rise / steps) * s], [x + (w / 2 / steps) * s, top - (rise / steps) * (s + 1)])
    return [...points, ...points.map(([px, py]) => [2 * x + w - px, py]).reverse()]
  }
  return Array.from({ length: 33 }, (_, s) => [
    x + (w * s) / 32,
    top - rise * (0.25 + 0.75 * Math.sin((Math.PI * s) / 32) ** 3) * Math.min(1, Math.min(s, 32 - s) / 2),
  ])
}

function roof(x, w, top, rise) {
  const slope = [
    [x - 1, top],
    [x + 5, top - rise],
    [x + w - 5, top - rise],
    [x + w + 1, top],
  ]
  let out = shape(slope, '#7a3f33')
  for (let y = top - rise + 2; y < top; y += 2.4) {
    const inset = (5 * (top - y)) / rise
    out += line(x + inset, y, x + w - inset, y, '#4d241f', 0.55)
    for (let tx = x + inset + between(0, 2); tx < x + w - inset; tx += 2.6) out += line(tx, y, tx, y + 2, '#93513f', 0.4)
  }
  for (const at of [0.28, 0.72]) {
    const cx = x + w * at
    out +=
      shape(
        [
          [cx - 6, top - 4],
          [cx - 6, top - 14],
          [cx, top - 20],
          [cx + 6, top - 14],
          [cx + 6, top - 4],
        ],
        '#e9e1cf',
      ) + windowPane(cx - 3.5, top - 14, 7, 9)
  }
  return out + rect(x - 1, top - 1, w + 2, 1.8, '#efe8d8')
}

function chimney(x, y) {
  return (
    rect(x, y - 9, 5, 16, '#7b4034') +
    rect(x - 0.8, y - 10, 6.6, 1.8, '#5c2c25') +
    rect(x + 1, y - 12, 1.2, 2, '#a55') +
    rect(x + 3, y - 12, 1.2, 2, '#a55')
  )
}

function bricks(x, w, top, bottom) {
  let out = ''
  for (let y = top, row = 0; y < bottom; y += 1.7, row++) {
    out += line(x, y, x + w, y, '#fff4e0', 0.22)
    for (let bx = x + (row % 2) * 1.9; bx < x + w; bx += 3.8)
      if (next() < 0.3) out += rect(bx, y + 0.15, 3.5, 1.3, next() < 0.5 ? '#2a1010' : '#ffe0c0', 'opacity=".13"')
  }
  return out
}

function windowPane(x, y, w, h) {
  let out = rect(x - 1, y - 1, w + 2, h + 2, '#f4efe4') + rect(x, y, w, h, next() < 0.12 ? 'url(#lit)' : 'url(#glass)')
  out += line(x + w / 2, y, x + w / 2, y + h, '#f4efe4', 0.8)
  for (const at of [1 / 3, 2 / 3]) out += line(x, y + h * at, x + w, y + h * at, '#f4efe4', 0.7)
  if (next() < 0.4)
    out += shape(
      [
        [x, y],
        [x + w * 0.42, y],
        [x + w * 0.15, y + h],
        [x, y + h],
      ],
      '#fffaf0',
      'opacity=".55"',
    )
  return out + rect(x - 1.6, y + h + 1, w + 3.2, 1.2, '#d8cfbc') + rect(x - 1.2, y + h + 2.2, w + 2.4, 0.7, '#1a1418', 'opacity=".35"')
}

const SIGNS = ['CAFE IDA', 'ANKER', 'HOTEL', 'BOOKS', 'BAKERY', 'MUSEUM', 'TEA', 'SAILS', 'COFFEE', 'FISH', 'MAPS']

function shop(x, w, i) {
  const awning = ['#b8392f', '#2f6f62', '#2b4c7e', '#c98a1b'][i % 4]
  let out =
    rect(x + 3, QUAY - 21, w - 6, 21, '#2d2a2c') +
    rect(x + 5, QUAY - 15, w - 22, 11, 'url(#glass)') +
    rect(x + w - 14, QUAY - 16, 9, 16, '#54301f')
  out +=
    rect(x + w - 12.5, QUAY - 14, 6, 6, 'url(#lit)') + line(x + 5 + (w - 22) / 2, QUAY - 15, x + 5 + (w - 22) / 2, QUAY - 4, '#efe8d8', 0.8)
  const text = SIGNS[i % SIGNS.length]
  const size = Math.min(5.4, (w - 12) / (text.length * 0.86))
  out += rect(x + 3, QUAY - 30, w - 6, 8.6, i % 2 ? '#f2ead8' : '#24323a')
  out += lettering(text, x + w / 2, QUAY - 25.7, size, i % 2 ? '#3a1d16' : '#f5e3b5')
  const stripes = Math.round((w - 6) / 4)
  for (let s = 0; s < stripes; s++) {
    const [a, b] = [x + 3 + ((w - 6) * s) / stripes, x + 3 + ((w - 6) * (s + 1)) / stripes]
    out += shape(
      [
        [a, QUAY - 21],
        [b, QUAY - 21],
        [b + 0.6, QUAY - 14.5],
        [a - 0.6, QUAY - 14.5],
      ],
      s % 2 ? '#f6f0e2' : awning,
    )
  }
  return out + rect(x + 2.4, QUAY - 14.6, w - 4.8, 0.7, '#000', 'opacity=".3"')
}

function church() {
  const x = 300
  let out = rect(x - 11, 44, 22, 120, '#8d7f78') + rect(x - 11, 44, 9, 120, '#a5968c')
  out +=
    shape(
      [
        [x - 13, 46],
        [x, 8],
        [x + 13, 46],
      ],
      '#5f8a80',
    ) +
    shape(
      [
        [x, 8],
        [x + 13, 46],
        [x + 3, 46],
      ],
      '#3f665f',
    )
  for (let y = 12; y < 44; y += 4) out += line(x - (13 * (y - 8)) / 38, y, x + (13 * (y - 8)) / 38, y, '#2f514b', 0.5)
  out +=
    `<circle cx="${x}" cy="60" r="7" fill="#f3ecd9" stroke="#3a2f2a" stroke-width="1"/>` +
    line(x, 60, x, 55, '#222', 0.9) +
    line(x, 60, x + 3.6, 61.5, '#222', 0.9)
  for (let t = 0; t < 12; t++)
    out += line(
      x + 5.2 * Math.sin(t * 0.5236),
      60 - 5.2 * Math.cos(t * 0.5236),
      x + 6.2 * Math.sin(t * 0.5236),
      60 - 6.2 * Math.cos(t * 0.5236),
      '#222',
      0.5,
    )
  return out
}

function gulls() {
  return [
    [60, 30, 7],
    [92, 44, 5],
    [150, 22, 6],
    [395, 34, 7],
    [430, 22, 4.5],
    [210, 40, 4],
  ]
    .map(
      ([x, y, s]) =>
        `<path d="M${x - s} ${y - s * 0.3}Q${x - s * 0.4} ${y - s * 0.7} ${x} ${y}Q${x + s * 0.4} ${y - s * 0.7} ${x + s} ${y - s * 0.25}" fill="none" stroke="#f8fbff" stroke-width="1.1"/>`,
    )
    .join('')
}

function quay() {
  let out = rect(-2, QUAY, WIDTH + 4, 5, '#b8ab97') + rect(-2, QUAY + 5, WIDTH + 4, WATER - QUAY - 5, '#7f766a')
  for (let y = QUAY + 5, row = 0; y < WATER; y += 5, row++) {
    out += line(0, y, WIDTH, y, '#4c463f', 0.6)
    for (let x = (row % 2) * 6; x < WIDTH; x += 12) {
      out += line(x, y, x, y + 5, '#4c463f', 0.6)
      out += rect(x + 0.5, y + 0.5, 11, 4, next() < 0.5 ? '#fff' : '#000', `opacity="${f(between(0.02, 0.14))}"`)
    }
  }
  for (let x = 0; x < WIDTH; x += 3) out += line(x, QUAY + between(1, 4), x + 2, QUAY + between(1, 4), '#8d8271', 0.5)
  for (const x of [36, 158, 250, 352, 452]) out += lamp(x)
  for (let x = 16; x < WIDTH; x += 52) out += rect(x, QUAY - 1, 3.4, 6, '#26282b') + rect(x - 0.8, QUAY - 2, 5, 1.8, '#3a3d41')
  return out + rect(0, WATER - 2.4, WIDTH, 2.4, '#2e3a36')
}

function lamp(x) {
  let out = rect(x - 0.8, QUAY - 38, 1.6, 40, '#1f2a28') + line(x - 5, QUAY - 36, x + 5, QUAY - 36, '#1f2a28', 1)
  for (const dx of [-5, 5])
    out +=
      shape(
        [
          [x + dx - 2, QUAY - 36],
          [x + dx + 2, QUAY - 36],
          [x + dx + 1.3, QUAY - 30],
          [x + dx - 1.3, QUAY - 30],
        ],
        '#ffefc2',
      ) + line(x + dx - 2.3, QUAY - 36.4, x + dx + 2.3, QUAY - 36.4, '#1f2a28', 0.9)
  return out
}

function trees() {
  let out = ''
  for (const [x, r] of [
    [110, 17],
    [405, 19],
  ]) {
    out += rect(x - 1.6, QUAY - 30, 3.2, 31, '#4a3626')
    for (let b = 0; b < 7; b++) out += line(x, QUAY - 24 - b, x + (b - 3) * 4, QUAY - 38 - 2 * (b % 3), '#4a3626', 0.9)
    for (let leaf = 0; leaf < 900; leaf++) {
      const [a, d] = [next() * 2 * Math.PI, Math.sqrt(next()) * r]
      const [lx, ly] = [x + d * Math.cos(a) * (1 + 0.2 * Math.sin(3 * a)), QUAY - 42 + d * 0.9 * Math.sin(a)]
      const light = (x - lx + (QUAY - 42 - ly)) / r
      const green = light + between(-0.7, 0.7) > 0 ? pick(['#8fae4a', '#a7c35c', '#769a3c']) : pick(['#3f5f2a', '#52733a', '#2f4a22'])
      out += `<ellipse cx="${f(lx)}" cy="${f(ly)}" rx="${f(between(0.7, 1.5))}" ry="${f(between(0.4, 0.8))}" fill="${green}" transform="rotate(${f(between(0, 180))} ${f(lx)} ${f(ly)})"/>`
    }
  }
  return out
}

function people() {
  let out = ''
  for (let i = 0; i < 15; i++) {
    const x = between(6, WIDTH - 6)
    const tall = between(11, 13)
    const y = QUAY + 3
    const coat = pick(['#8f2d2d', '#23395b', '#e0b040', '#e9e4da', '#3d5a4c', '#6b4f7a', '#2a2a2e'])
    out += rect(x - 1.5, y - tall * 0.45, 1.3, tall * 0.45, '#2a2d38') + rect(x + 0.2, y - tall * 0.45, 1.3, tall * 0.45, '#22252e')
    out +=
      rect(x - 2.1, y - tall * 0.86, 4.2, tall * 0.48, coat, 'rx="1.2"') +
      `<circle cx="${f(x)}" cy="${f(y - tall * 0.95)}" r="1.5" fill="#d9a784"/>`
  }
  return out
}

// ---- the boats

function boats() {
  return (
    boat(72, 92, '#1f3f63', '#f3ede0', 'MARIA', 176) +
    boat(214, 104, '#8c2f2a', '#f6f1e4', 'ALBATROS', 196) +
    boat(372, 96, '#e9e6dc', '#2f5d54', 'IDA', 182)
  )
}

function boat(cx, length, hull, trim, name, mastHeight) {
  const y = WATER - 3
  const [bow, stern] = [cx + length / 2, cx - length / 2]
  const mast = cx + 4
  const top = y - mastHeight
  let out = line(mast, y, mast, top, '#6d4a2c', 2.1) + line(mast - 0.5, y, mast - 0.5, top, '#b98a57', 0.7)
  for (const [to, from] of [
    [bow + 3, top + 3],
    [stern - 2, top + 3],
    [bow - 12, top + mastHeight * 0.3],
    [stern + 12, top + mastHeight * 0.3],
  ])
    out += line(mast, from, to, y - 9, '#1c1c1e', 0.55)
  for (const side of [-1, 1])
    for (let k = 0; k < 7; k++)
      out += line(mast + side * (3 + k * 1.5), y - 9 - k * 13, mast + side * (1.2 + k * 0.2), y - 9 - k * 13, '#1c1c1e', 0.35)
  out += line(mast - 13, top + mastHeight * 0.28, mast + 13, top + mastHeight * 0.28, '#6d4a2c', 1.2)
  out += line(mast, y - 20, stern + 4, y - 24, '#6d4a2c', 1.8)
  out += shape(
    [
      [mast - 2, y - 21],
      [mast - 2, y - 25],
      [stern + 6, y - 28],
      [stern + 6, y - 24.5],
    ],
    '#efe5cf',
  )
  for (let k = 0; k < 7; k++) out += line(mast - 5 - k * 5, y - 25.4 - k * 0.4, mast - 5 - k * 5, y - 20.8 - k * 0.5, '#b5a98c', 0.7)
  out += shape(
    [
      [mast, top + 1],
      [mast + 14, top + 4],
      [mast, top + 8],
    ],
    pick(['#c8332b', '#e3b23c', '#2d6a8f']),
  )
  const flags = 13
  for (let k = 0; k < flags; k++) {
    const t = (k + 0.5) / flags
    const [fx, fy] = [mast + (bow - mast + 3) * t, top + 3 + (y - 9 - top - 3) * t]
    out += shape(
      [
        [fx - 1.8, fy - 1.9],
        [fx + 1.8, fy + 1.9],
        [fx - 0.5, fy + 4.6],
      ],
      ['#d8402f', '#f4c542', '#2f77b5', '#f7f3e8', '#3f9c6a'][k % 5],
    )
  }
  out += rect(cx - 26, y - 18, 24, 9, '#efe7d6') + rect(cx - 27.5, y - 19.4, 27, 2, '#7c5230')
  for (let k = 0; k < 4; k++)
    out += rect(cx - 24 + k * 5.7, y - 16, 3.8, 3.8, '#2b3b47') + rect(cx - 23.6 + k * 5.7, y - 15.6, 1.4, 1.4, '#a8c4d2')
  const curve = [
    [stern, y - 10],
    [stern + 4, y + 3],
    [bow - 14, y + 3],
    [bow - 3, y - 6],
    [bow + 4, y - 13],
  ]
  out += `<path d="M${f(stern)} ${f(y - 10)}Q${f(stern + 1)} ${f(y + 2)} ${f(stern + 7)} ${f(y + 4)}L${f(bow - 18)} ${f(y + 4)}Q${f(bow - 4)} ${f(y - 1)} ${f(curve[4][0])} ${f(curve[4][1])}Q${f(cx)} ${f(y - 7)} ${f(stern)} ${f(y - 10)}Z" fill="${hull}"/>`
  out += `<path d="M${f(bow + 4)} ${f(y - 13)}Q${f(cx)} ${f(y - 7)} ${f(stern)} ${f(y - 10)}" fill="none" stroke="${trim}" stroke-width="1.5"/>`
  out += `<path d="M${f(bow - 1)} ${f(y - 7)}Q${f(cx)} ${f(y - 2)} ${f(stern + 1)} ${f(y - 4.5)}" fill="none" stroke="#000" stroke-opacity=".35" stroke-width=".6"/>`
  return out + lettering(name, bow - 20, y - 3.6, 4.2, trim)
}

// ---- light, air and water

function compose(town, w, h) {
  const out = new Uint8Array(w * h * 3)
  const noise = fbm(11)
  const horizon = WATER * FINE
  const colourAt = (x, y) => {
    const p = (Math.max(0, Math.min(horizon - 1, Math.round(y))) * w + Math.max(0, Math.min(w - 1, Math.round(x)))) * 4
    const alpha = town[p + 3] / 255
    const sky = skyAt(x / FINE, y / FINE, noise)
    return [0, 1, 2].map(c => town[p + c] * alpha + sky[c] * (1 - alpha))
  }
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const colour = y < horizon ? colourAt(x, y) : waterAt(x, y, horizon, colourAt, noise)
      const grain = y < horizon ? 10 * (noise(x / 9, y / 9) - 0.5) : 0
      for (let c = 0; c < 3; c++) out[(y * w + x) * 3 + c] = Math.max(0, Math.min(255, colour[c] + grain))
    }
  }
  // Over the water again: hulls reach below the quay's edge.
  for (let p = horizon * w; p < (horizon + 3 * FINE) * w; p++) {
    const alpha = town[p * 4 + 3] / 255
    for (let c = 0; c < 3; c++) out[p * 3 + c] = town[p * 4 + c] * alpha + out[p * 3 + c] * (1 - alpha)
  }
  return out
}

function skyAt(x, y, noise) {
  const t = Math.min(1, y / 150)
  const base = [104 + 138 * t, 158 + 64 * t, 205 - 5 * t]
  const cloud = Math.max(0, Math.min(1, (noise(x / 70, y / 26 + 3) - 0.5) * 3.2)) * 0.8
  const warm = [252, 238, 222]
  return base.map((v, c) => v + (warm[c] - v) * cloud)
}

// Small waves tilt the mirror: near ones shift and stretch the reflection more than far ones.
function waterAt(x, y, horizon, colourAt, noise) {
  const depth = (y - horizon) / FINE
  const swell = noise(x / (90 + depth * 3), (y * 2.4) / (9 + depth * 0.5)) - 0.5
  const ripple = noise(x / (34 + depth), y / (3.2 + depth * 0.09) + 40) - 0.5
  const shift = (swell * 34 + ripple * 16) * (0.25 + depth / 70)
  const mirror = colourAt(x + shift * 0.8, horizon - (y - horizon) * 1.35 - shift * 1.8)
  const tint = [28, 66, 82]
  const amount = 0.26 + depth * 0.0035 + ripple * 0.3
  const glint = Math.max(0, ripple + swell * 0.5 - 0.2) * 420
  return mirror.map((v, c) => v * (1 - amount) * 0.94 + tint[c] * amount + glint)
}

function shrink(data, w) {
  const out = new Uint8Array(WIDTH * HEIGHT * 3)
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (let j = 0; j < FINE; j++) for (let i = 0; i < FINE; i++) sum += data[((y * FINE + j) * w + x * FINE + i) * 3 + c]
        out[(y * WIDTH + x) * 3 + c] = Math.round(sum / FINE ** 2)
      }
    }
  }
  return { data: out, width: WIDTH, height: HEIGHT, channels: 3 }
}
