// Serve HTTP/1.1 over TLS: node node_http1.js CERTIFICATE CASE. Prints the port when it listens.
const fs = require("fs"), https = require("https")
const [pem, kase] = process.argv.slice(2)
const credentials = { key: fs.readFileSync(pem), cert: fs.readFileSync(pem) }
let requests = 0

const server = https.createServer(credentials, (request, response) => {
  const number = ++requests
  if (kase === "early") return response.end("early")  // before the body was read
  request.resume().on("end", () => {
    if (kase === "stalled") return response.writeHead(200).write("thanks")
    if (kase === "chunked") { response.write("one"); return response.end("two") }
    if (kase === "close" && number % 10 === 0) response.setHeader("connection", "close")
    response.end()
    if (kase === "destroy" && number % 10 === 0) response.on("finish", () => request.socket.end())
  })
})
server.keepAliveTimeout = kase === "idle" ? 2 : 5000  // milliseconds
if (kase === "limit") server.maxRequestsPerSocket = 10
server.listen(0, "127.0.0.1", 1024, () => console.log(server.address().port))
