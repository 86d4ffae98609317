// Serve HTTP/2 over TLS: node node_http2.js CERTIFICATE CASE. Prints the port when it listens.
const fs = require("fs"), http2 = require("http2")
const [pem, kase] = process.argv.slice(2)
const settings = kase === "streams" ? { maxConcurrentStreams: 5 } : {}
const server = http2.createSecureServer({ key: fs.readFileSync(pem), cert: fs.readFileSync(pem), settings })
let requests = 0

server.on("stream", (stream, headers) => {
  const number = ++requests
  stream.on("error", () => {})
  if (kase === "early") { stream.respond({ ":status": 200 }); return stream.end("early") }  // before the body was read
  if (kase === "refuse" && stream.id % 20 === 19) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
  stream.resume().on("end", () => {
    if (stream.destroyed) return
    if (kase === "continue") stream.additionalHeaders({ ":status": 103 })
    stream.respond({ ":status": 200 })
    if (kase === "stalled") return stream.write("thanks")
    stream.end()
    if (kase === "close" && number % 10 === 0) stream.session.close()  // a GOAWAY, and what is open may end
  })
})
server.on("sessionError", () => {})
server.listen(0, "127.0.0.1", 1024, () => console.log(server.address().port))
