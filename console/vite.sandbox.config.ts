import { mergeConfig } from 'vite'
import base from './vite.config.ts'

// The page of the simulated WeChat: an entry of its own, embedded by crates/sandbox. It is small, so its chunks are few.
export default mergeConfig(base, {
  root: 'sandbox',
  server: { proxy: { '/sandbox': 'http://127.0.0.1:36080', '/cgi-bin': 'http://127.0.0.1:36080', '/connect': 'http://127.0.0.1:36080' } },
  build: {
    outDir: '../dist-sandbox',
    emptyOutDir: true,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'vue', test: /node_modules\/(@vue|vue|vue-i18n|@intlify)\// },
            { name: 'reka', test: /node_modules\/(?!@lucide)/ },
            { name: 'icons', test: /node_modules\/@lucide\// },
          ],
        },
      },
    },
  },
})
