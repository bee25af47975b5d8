import { fileURLToPath, URL } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'

// Where a running Parley answers; the mock server listens elsewhere.
const backend = process.env.PARLEY_WEB_BACKEND ?? 'http://127.0.0.1:8080'

// What the built page may load. Pictures of messages come from wherever the customer's carrier
// keeps them; everything else is our own.
const policy = [
  "default-src 'self'",
  "img-src 'self' data: https: http:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ')

function contentSecurityPolicy(): Plugin {
  return {
    name: 'parley-content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: policy },
        injectTo: 'head-prepend',
      },
    ],
  }
}

export default defineConfig({
  plugins: [vue(), tailwindcss(), contentSecurityPolicy()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy: { '/v1': backend, '/api': backend } },
  build: { target: 'es2022' },
  test: { include: ['tests/**/*.test.ts'], environment: 'node', restoreMocks: true },
})
