import { testAverages } from '../support/averages.js'

testAverages('wasm', { skip: false })
