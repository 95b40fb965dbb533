import { ref } from 'vue'

let ahead = 0

/** The gateway's time in Unix seconds, once a second. */
export const now = ref(Math.floor(Date.now() / 1000))

/** Sets the clock by what the gateway says. */
export function setClock(server: number) {
  ahead = server - Date.now() / 1000
  tick()
}

function tick() {
  now.value = Math.floor(Date.now() / 1000 + ahead)
}

setInterval(() => document.hidden || tick(), 1000)
