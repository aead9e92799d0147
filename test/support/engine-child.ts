import { type EngineName, useEngine } from '../../nets/engine.js'
import { engineFigures } from './engine-figures.js'

// The figures of one engine as a program, since one process uses one engine: `engine-child.js ENGINE` prints them as JSON.
console.log(JSON.stringify(await engineFigures(await useEngine(process.argv[2] as EngineName))))
process.exit()
