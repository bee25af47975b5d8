import { fileURLToPath, URL } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// Where a running Parley answers; the mock server listens elsewhere.
const backend = process.env.PARLEY_WEB_BACKEND ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy: { '/v1': backend, '/api': backend } },
  build: { target: 'es2022' },
  test: { include: ['tests/**/*.test.ts'], environment: 'node', restoreMocks: true },
})
