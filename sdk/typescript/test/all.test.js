// One process, so that all share a server; it has to run before the first test is known.
import './server.js'
import './contract.js'
import './hostile.js'
import './api.js'
import './watch.js'
import './samples.js'
import './kill.js'
import './browser.js'
