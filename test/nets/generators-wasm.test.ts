import { testGenerators } from '../support/generators.js'

testGenerators('wasm', { skip: false })
