// Draws the page's two samples: node web-demo/samples/draw.mjs. They are committed; run it after changing a drawing.
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { drawDesk } from './desk.mjs'
import { drawHarbour } from './harbour.mjs'

const write = ({ data, width, height, channels }) => sharp(data, { raw: { width, height, channels } })
const file = name => fileURLToPath(new URL(name, import.meta.url))

await write(await drawHarbour())
  .png({ compressionLevel: 9, adaptiveFiltering: true })
  .toFile(file('harbour.png'))
await write(drawDesk()).jpeg({ quality: 75 }).toFile(file('desk.jpg'))
