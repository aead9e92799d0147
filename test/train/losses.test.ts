import { testLosses } from '../support/losses.js'

testLosses('wasm', { skip: false })
