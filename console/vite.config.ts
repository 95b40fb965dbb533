import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// The gateway puts the hash of the whole directory in the place of ASSETS in index.html; everything else
// refers to its neighbours, so that no other file has to be changed.
const BASE = '/_/ASSETS/'

export default defineConfig({
  base: BASE,
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
  },
  experimental: {
    renderBuiltUrl: (file, { hostType }) => (hostType === 'html' ? BASE + file : { relative: true }),
  },
  server: { proxy: { '/api': 'http://127.0.0.1:36013' } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 200,
    rolldownOptions: {
      output: {
        entryFileNames: 'a/[name].js',
        chunkFileNames: 'a/[name].js',
        assetFileNames: 'a/[name][extname]',
        codeSplitting: {
          groups: [
            { name: 'vue', test: /node_modules\/(@vue|vue|vue-router|vue-i18n|@intlify)\// },
            { name: 'uplot', test: /node_modules\/uplot\// },
            { name: 'reka', test: /node_modules\/(?!@lucide)/ },
            { name: 'icons', test: /node_modules\/@lucide\// },
            { name: 'shared', test: /src\/(api|lib|ui)\/(?!TimeChart|ChartCard|chart)/ },
          ],
        },
      },
    },
  },
  test: { include: ['tests/**/*.test.ts'] },
})
