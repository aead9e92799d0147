// A ray-traced desk: books with titles, coloured pencils, a mug, a globe, a glass ball and a written page.
import { strokesOf } from './lettering.mjs'
import { fbm, random } from './noise.mjs'

const WIDTH = 480
const HEIGHT = 360
/** Rays per pixel along one side; light, lens and pixel are sampled together. */
const RAYS = 6

const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
const mul = (a, s) => [a[0] * s, a[1] * s, a[2] * s]
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
const unit = a => mul(a, 1 / Math.hypot(...a))
const mix = (a, b, t) => add(mul(a, 1 - t), mul(b, t))
const hex = code => [16, 8, 0].map(shift => (((Number.parseInt(code.slice(1), 16) >> shift) & 255) / 255) ** 2.2)

const noise = fbm(5)
const next = random(21)

// ---- things: each has hit(origin, direction) → {t, normal} or null, and paint(point, normal) → {colour, gloss}

const plane = paint => ({ paint, hit: (o, d) => (d[1] < -1e-6 ? { t: -o[1] / d[1], normal: [0, 1, 0] } : null) })

const sphere = (centre, radius, paint) => ({
  paint,
  hit(o, d) {
    const to = sub(o, centre)
    const b = dot(to, d)
    const root = b * b - dot(to, to) + radius * radius
    if (root < 0) return null
    const t = -b - Math.sqrt(root)
    return t > 1e-4 ? { t, normal: mul(sub(add(o, mul(d, t)), centre), 1 / radius) } : null
  },
})

/** A box standing on the desk or on another, turned about the vertical; paint gets its own coordinates. */
function box(centre, size, turn, paint) {
  const [c, s] = [Math.cos(turn), Math.sin(turn)]
  const inwards = ([x, y, z]) => [c * x - s * z, y, s * x + c * z]
  const outwards = ([x, y, z]) => [c * x + s * z, y, -s * x + c * z]
  const half = mul(size, 0.5)
  return {
    paint: point => paint(inwards(sub(point, centre)), half),
    hit(o, d) {
      const [lo, ld] = [inwards(sub(o, centre)), inwards(d)]
      let [near, far, axis] = [-Infinity, Infinity, 0]
      for (let i = 0; i < 3; i++) {
        const [a, b] = [(-half[i] - lo[i]) / ld[i], (half[i] - lo[i]) / ld[i]]
        if (Math.min(a, b) > near) [near, axis] = [Math.min(a, b), i]
        far = Math.min(far, Math.max(a, b))
      }
      if (near > far || near < 1e-4) return null
      const normal = [0, 0, 0]
      normal[axis] = -Math.sign(ld[axis])
      return { t: near, normal: outwards(normal) }
    },
  }
}

/** A truncated cone from `from` (radius r0) to `to` (radius r1), with flat ends. Paint gets (along 0..1, angle, isEnd). */
function cone(from, to, r0, r1, paint) {
  const length = Math.hypot(...sub(to, from))
  const axis = unit(sub(to, from))
  const side = unit(cross(axis, Math.abs(axis[1]) > 0.9 ? [1, 0, 0] : [0, 1, 0]))
  const up = cross(axis, side)
  const slope = (r1 - r0) / length
  const place = p => {
    const rel = sub(p, from)
    return { along: dot(rel, axis), angle: Math.atan2(dot(rel, up), dot(rel, side)), rel }
  }
  return {
    paint: (point, normal) => paint(place(point).along / length, place(point).angle, Math.abs(dot(normal, axis)) > 0.99),
    hit(o, d) {
      const rel = sub(o, from)
      const [oa, da] = [dot(rel, axis), dot(d, axis)]
      const [op, dp] = [sub(rel, mul(axis, oa)), sub(d, mul(axis, da))]
      const r = r0 + slope * oa
      const a = dot(dp, dp) - (slope * da) ** 2
      const b = dot(op, dp) - r * slope * da
      const c = dot(op, op) - r * r
      let best = null
      const root = b * b - a * c
      if (root >= 0) {
        for (const t of [(-b - Math.sqrt(root)) / a, (-b + Math.sqrt(root)) / a]) {
          const h = oa + da * t
          if (t < 1e-4 || h < 0 || h > length || r0 + slope * h < 0 || (best && best.t < t)) continue
          best = { t, normal: unit(sub(unit(add(op, mul(dp, t))), mul(axis, slope))) }
        }
      }
      for (const [h, radius, sign] of [
        [0, r0, -1],
        [length, r1, 1],
      ]) {
        const t = (h - oa) / da
        if (t > 1e-4 && (!best || t < best.t)) {
          const p = add(op, mul(dp, t))
          if (dot(p, p) <= radius * radius) best = { t, normal: mul(axis, sign) }
        }
      }
      return best
    },
  }
}

// ---- surfaces

const wood = ([x, , z]) => {
  const plank = Math.floor(z / 2.6)
  const seam = Math.abs(z / 2.6 - Math.round(z / 2.6)) < 0.012
  const grain = noise(x * 0.5 + plank * 31, z * 5 + plank * 7)
  const rings = 0.5 + 0.5 * Math.sin((z * 3.4 + 5 * noise(x * 0.16 + plank * 13, z * 0.5)) * 4)
  const fine = noise(x * 3, z * 60)
  const colour = mul(
    mix(hex('#8a5a33'), hex('#c08a54'), 0.25 + 0.35 * rings + 0.4 * (grain - 0.4)),
    (0.82 + 0.36 * fine) * (seam ? 0.35 : 1),
  )
  return { colour, gloss: 0.06 }
}

/** Distance from (u, v) to a text centred at 0, in letter heights. */
function textDistance(text, u, v) {
  let least = Infinity
  for (const stroke of strokes(text)) {
    for (let i = 1; i < stroke.length; i++) {
      const [[ax, ay], [bx, by]] = [stroke[i - 1], stroke[i]]
      const t = Math.max(0, Math.min(1, ((u - ax) * (bx - ax) + (v - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)))
      least = Math.min(least, Math.hypot(u - ax - t * (bx - ax), v - ay - t * (by - ay)))
    }
  }
  return least
}
const known = new Map()
function strokes(text) {
  if (!known.has(text)) known.set(text, strokesOf(text))
  return known.get(text)
}

function bookPaint(cover, ink, title) {
  return ([x, y, z], [hx, hy, hz]) => {
    const onTop = y > hy - 1e-3
    const spine = z > hz - 1e-3
    if (onTop || spine) {
      const board = { colour: mul(hex(cover), 0.92 + 0.16 * noise(x * 26, z * 26 + y * 40)), gloss: 0.05 }
      const border = onTop && Math.min(hx - Math.abs(x), hz - Math.abs(z)) > 0.12 && Math.min(hx - Math.abs(x), hz - Math.abs(z)) < 0.17
      const bands = spine && (Math.abs(Math.abs(x) - hx * 0.78) < 0.025 || Math.abs(Math.abs(x) - hx * 0.72) < 0.012)
      const size = hy * 0.78
      const lettered = spine && textDistance(title, x / size, -y / size) < 0.1
      return border || bands || lettered ? { colour: hex(ink), gloss: 0.12 } : board
    }
    if (Math.abs(y) > hy - 0.05) return { colour: hex(cover), gloss: 0.05 }
    return { colour: mul(hex('#efe6d0'), 0.72 + 0.3 * Math.abs(Math.sin(y * 170)) * (0.8 + 0.2 * noise(x * 3, y * 50))), gloss: 0 }
  }
}

const mugPaint = (along, angle, isEnd) => {
  if (isEnd) return { colour: hex('#f3efe6'), gloss: 0.1 }
  if (along > 0.94) return { colour: hex('#1f3f6b'), gloss: 0.15 }
  const zig = Math.abs(((angle * 14) / Math.PI) % 1) * 0.09
  const band = along + zig
  const stripe = (band > 0.3 && band < 0.37) || (band > 0.43 && band < 0.46) || (band > 0.6 && band < 0.67)
  return { colour: stripe ? hex('#1f3f6b') : band > 0.46 && band < 0.6 ? hex('#d8563c') : hex('#f3efe6'), gloss: 0.15 }
}

function globePaint(centre) {
  return (_point, normal) => {
    const tilt = 0.41
    const n = [normal[0] * Math.cos(tilt) - normal[1] * Math.sin(tilt), normal[0] * Math.sin(tilt) + normal[1] * Math.cos(tilt), normal[2]]
    const [lat, lon] = [Math.asin(n[1]), Math.atan2(n[0], n[2])]
    const height = noise(n[0] * 2.1 + 9, n[1] * 2.1 + n[2] * 1.7 + 4) - 0.49
    const grid = deg => Math.abs(((deg * 180) / Math.PI / 15) % 1)
    const lines =
      Math.min(grid(lat + 10), 1 - grid(lat + 10)) < 0.035 ||
      Math.min(grid(lon + 20), 1 - grid(lon + 20)) < 0.035 / Math.max(0.2, Math.cos(lat))
    const coast = Math.abs(height) < 0.007
    const land = height > 0.13 ? hex('#b98f5f') : height > 0.05 ? hex('#c9b36b') : hex('#8fae62')
    const colour = coast ? hex('#5b4a33') : height > 0 ? land : mix(hex('#3f86a8'), hex('#6fb3c8'), Math.max(0, 1 + height * 8))
    return { colour: lines ? mix(colour, hex('#2a2a2a'), 0.5) : colour, gloss: 0.14, centre }
  }
}

const pagePaint = ([x, y, z], [hx, hy, hz]) => {
  if (y < hy - 1e-3) return { colour: hex('#ded6c4'), gloss: 0 }
  const paper = mul(hex('#f6f1e3'), 0.95 + 0.08 * noise(x * 30, z * 30))
  const rows = 0.26
  const row = Math.floor((z + hz) / rows)
  const v = (z + hz - row * rows) / rows
  const margin = Math.abs(x + hx * 0.74) < 0.012
  if (margin) return { colour: hex('#cf5a55'), gloss: 0 }
  const words = [
    'THE SEA IS CALM',
    'BOATS COME HOME',
    'COFFEE AND TEA',
    'A MAP OF ISLES',
    'FISH FOR DINNER',
    'NOTES ON LIGHT',
    'BLUE AND GREEN',
    'SAIL AT NOON',
  ]
  const size = rows * 0.5
  const text = words[row % words.length]
  if (row > 0 && row < 9 && textDistance(text, (x - hx * 0.08) / size, (v - 0.52) * (rows / size)) < 0.085)
    return { colour: hex('#24346b'), gloss: 0 }
  return { colour: v > 0.94 ? hex('#9fb9d3') : paper, gloss: 0 }
}

function pencil(from, to, colour) {
  const axis = unit(sub(to, from))
  const tip = add(to, mul(axis, 0.42))
  const lacquer = (along, angle, isEnd) => {
    if (isEnd) return { colour: hex('#d9b48a'), gloss: 0 }
    const facet = 0.8 + 0.2 * Math.cos(Math.floor((angle * 3) / Math.PI) * 1.7)
    const ring = along < 0.05 || (along > 0.07 && along < 0.08)
    return { colour: ring ? hex('#e8e0c8') : mul(hex(colour), facet), gloss: 0.1 }
  }
  const sharpened = along => ({ colour: along > 0.66 ? hex(colour) : mul(hex('#dcb88c'), 0.9 + 0.1 * Math.sin(along * 90)), gloss: 0 })
  return [cone(from, to, 0.13, 0.13, lacquer), cone(to, tip, 0.13, 0.012, sharpened)]
}

// ---- the scene

const globeAt = [-2.55, 1.62, -1.5]
const things = [
  plane(wood),
  box([1.5, 0.27, -1.2], [3.5, 0.54, 2.3], 0.12, bookPaint('#7a2530', '#e6c67a', 'ISLANDS')),
  box([1.38, 0.78, -1.25], [3.1, 0.48, 2.1], -0.1, bookPaint('#1f4d4a', '#f0e2b8', 'THE BOATS')),
  box([1.5, 1.22, -1.2], [2.8, 0.4, 1.9], 0.2, bookPaint('#c9962f', '#3a2414', 'COLOURS')),
  cone([1.15, 1.42, -1.35], [1.15, 2.75, -1.35], 0.58, 0.66, mugPaint),
  cone([1.15, 2.74, -1.35], [1.15, 2.752, -1.35], 0.57, 0.57, () => ({ colour: hex('#3a1f12'), gloss: 0.2 })),
  cone([1.78, 2.45, -1.3], [2.12, 2.28, -1.22], 0.09, 0.09, () => ({ colour: hex('#1f3f6b'), gloss: 0.15 })),
  cone([2.12, 2.28, -1.22], [2.1, 1.9, -1.22], 0.09, 0.09, () => ({ colour: hex('#1f3f6b'), gloss: 0.15 })),
  cone([2.1, 1.9, -1.22], [1.74, 1.72, -1.3], 0.09, 0.09, () => ({ colour: hex('#1f3f6b'), gloss: 0.15 })),
  sphere(globeAt, 1.25, globePaint(globeAt)),
  cone([-2.55, 0, -1.5], [-2.55, 0.14, -1.5], 0.85, 0.72, () => ({ colour: hex('#4a2f1d'), gloss: 0.12 })),
  cone([-2.55, 0.14, -1.5], [-2.55, 0.45, -1.5], 0.1, 0.1, () => ({ colour: hex('#c9a24a'), gloss: 0.3 })),
  sphere([0.05, 0.42, 0.75], 0.42, () => ({ colour: hex('#e8f2f2'), gloss: 0.85 })),
  sphere([0.85, 0.22, 1.3], 0.22, () => ({ colour: hex('#d8432f'), gloss: 0.12 })),
  box([-2.2, 0.03, 1.35], [2.7, 0.06, 2.6], -0.22, pagePaint),
  ...['#d23f31', '#e88a1f', '#e9c62c', '#3f9a4b', '#2f7fc2', '#5a3f9a', '#b8417a'].flatMap((colour, i) =>
    pencil([1.05 + i * 0.3, 0.13, 2.5 + 0.1 * Math.sin(i * 2.3)], [1.32 + i * 0.33, 0.13, 0.75 + 0.14 * Math.cos(i * 1.9)], colour),
  ),
]

const eye = [0.25, 3.75, 7.2]
const forward = unit(sub([-0.1, 0.72, 0], eye))
const right = unit(cross(forward, [0, 1, 0]))
const above = cross(right, forward)
const lamp = [-4.4, 7.5, 4.2]

function nearest(o, d) {
  let best = null
  for (const thing of things) {
    const hit = thing.hit(o, d)
    if (hit && (!best || hit.t < best.t)) best = { ...hit, thing }
  }
  return best
}

function sky(d) {
  const window =
    d[0] < -0.2 && d[1] > 0.1 && d[1] < 0.75 && Math.abs(d[2] - 0.1) < 0.55 && Math.abs(d[2] - 0.1) > 0.03 && Math.abs(d[1] - 0.42) > 0.02
  return window ? [1.5, 1.6, 1.75] : mix(hex('#31424f'), hex('#8fa3ad'), Math.max(0, d[1]))
}

function trace(o, d, jitter, depth) {
  const hit = nearest(o, d)
  if (!hit) return sky(d)
  const point = add(o, mul(d, hit.t))
  const { colour, gloss } = hit.thing.paint(point, hit.normal)
  const start = add(point, mul(hit.normal, 1e-3))
  const toLamp = sub(add(lamp, [jitter[0] * 2.2, 0, jitter[1] * 2.2]), start)
  const light = unit(toLamp)
  const facing = dot(hit.normal, light)
  const shaded = facing > 0 && things.some(thing => thing.hit(start, light)) ? 0 : Math.max(0, facing)
  // One ray towards the half sphere: soft contact shadows.
  const around = unit(add(hit.normal, jitter[2]))
  const open = nearest(start, around)
  const ambient = mul([0.5, 0.56, 0.64], open && open.t < 1.6 ? open.t / 1.6 : 1)
  let out = [0, 1, 2].map(c => colour[c] * (ambient[c] * 0.62 + shaded * [1.5, 1.38, 1.2][c]))
  if (depth < 2 && gloss > 0) {
    const mirrored = trace(start, sub(d, mul(hit.normal, 2 * dot(d, hit.normal))), jitter, depth + 1)
    const grazing = gloss + (1 - gloss) * (1 + Math.min(0, dot(d, hit.normal))) ** 5
    out = mix(out, mirrored, Math.min(1, grazing))
    const shine = Math.max(0, dot(light, sub(d, mul(hit.normal, 2 * dot(d, hit.normal))))) ** 60
    if (shaded > 0) out = add(out, mul([1, 0.95, 0.85], shine * gloss * 3))
  }
  return out
}

const tone = v => Math.round(255 * Math.min(1, Math.max(0, (v * 1.12) / (1 + v * 0.22))) ** (1 / 2.2))

/** RGB, 8 bits. */
export function drawDesk() {
  const data = new Uint8Array(WIDTH * HEIGHT * 3)
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      let sum = [0, 0, 0]
      for (let r = 0; r < RAYS * RAYS; r++) {
        const u = (x + ((r % RAYS) + next()) / RAYS - WIDTH / 2) / HEIGHT
        const v = (HEIGHT / 2 - y - (Math.floor(r / RAYS) + next()) / RAYS) / HEIGHT
        const d = unit(add(forward, add(mul(right, u * 0.86), mul(above, v * 0.86))))
        const ball = unit([next() - 0.5, next() - 0.5, next() - 0.5])
        sum = add(sum, trace(eye, d, [next() - 0.5, next() - 0.5, ball], 0))
      }
      const vignette = 1 - 0.28 * (((x / WIDTH - 0.5) * 1.5) ** 2 + (y / HEIGHT - 0.5) ** 2)
      for (let c = 0; c < 3; c++) data[(y * WIDTH + x) * 3 + c] = tone((sum[c] / RAYS ** 2) * vignette)
    }
  }
  return { data, width: WIDTH, height: HEIGHT, channels: 3 }
}
