// A callback server as WxJava's documentation writes it. Settings: token, aes_key, appid, reply; see ../receivers/receiver.py.

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import me.chanjar.weixin.mp.api.WxMpMessageRouter;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.bean.message.WxMpXmlMessage;
import me.chanjar.weixin.mp.bean.message.WxMpXmlOutMessage;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

public final class Server {
    private static final Gson GSON = new Gson();
    private static JsonObject settings;
    private static WxMpDefaultConfigImpl config;
    private static WxMpService service;
    private static WxMpMessageRouter router;

    public static void main(String[] args) throws IOException {
        settings = GSON.fromJson(args[0], JsonObject.class);
        config = new WxMpDefaultConfigImpl();
        config.setAppId(setting("appid"));
        config.setToken(setting("token"));
        config.setAesKey(setting("aes_key"));
        service = new WxMpServiceImpl();
        service.setWxMpConfigStorage(config);
        router = new WxMpMessageRouter(service);
        if (!setting("reply").isEmpty()) {
            router.rule().async(false).msgType("text").handler((said, context, of, session) ->
                WxMpXmlOutMessage.TEXT().content(setting("reply")).fromUser(said.getToUser()).toUser(said.getFromUser()).build()).end();
        }
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", Server::handle);
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
        System.out.println("listening " + server.getAddress().getPort());
    }

    private static String setting(String name) {
        return settings.get(name).getAsString();
    }

    private static void handle(HttpExchange exchange) throws IOException {
        boolean post = exchange.getRequestMethod().equals("POST");
        int status = 200;
        String text;
        try {
            text = answer(exchange, post);
        } catch (RuntimeException wrong) {
            status = 403;
            text = "refused";
            if (post) {
                note(Map.of("accepted", false, "why", wrong.toString()));
            }
        }
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        try (var out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    private static String answer(HttpExchange exchange, boolean post) throws IOException {
        Map<String, String> query = new LinkedHashMap<>();
        for (String pair : exchange.getRequestURI().getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            query.put(parts[0], URLDecoder.decode(parts.length > 1 ? parts[1] : "", StandardCharsets.UTF_8));
        }
        String timestamp = query.get("timestamp");
        String nonce = query.get("nonce");
        if (!service.checkSignature(timestamp, nonce, query.get("signature"))) {
            throw new IllegalArgumentException("signature");
        }
        if (!post) {
            return query.get("echostr");
        }
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        boolean encrypted = "aes".equals(query.get("encrypt_type"));
        WxMpXmlMessage said = encrypted
            ? WxMpXmlMessage.fromEncryptedXml(body, config, timestamp, nonce, query.get("msg_signature"))
            : WxMpXmlMessage.fromXml(body);
        note(accepted(exchange, query, encrypted, said));
        WxMpXmlOutMessage reply = router.route(said);
        if (reply == null) {
            return "success";
        }
        return encrypted ? reply.toEncryptedXml(config) : reply.toXml();
    }

    /** What the log says of a message. */
    private static Map<String, Object> accepted(
            HttpExchange exchange, Map<String, String> query, boolean encrypted, WxMpXmlMessage said) {
        Map<String, String> headers = new LinkedHashMap<>();
        exchange.getRequestHeaders().forEach((name, values) -> {
            if (name.toLowerCase().startsWith("x-wxgate-")) {
                headers.put(name.toLowerCase(), values.get(0));
            }
        });
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("accepted", true);
        entry.put("query", query);
        entry.put("headers", headers);
        entry.put("encrypted", encrypted);
        entry.put("openid", said.getFromUser());
        entry.put("to", said.getToUser());
        entry.put("msg_type", said.getMsgType());
        entry.put("event", said.getEvent() == null ? "" : said.getEvent());
        entry.put("content", said.getContent() == null ? "" : said.getContent());
        return entry;
    }

    private static synchronized void note(Map<String, Object> entry) throws IOException {
        String line = GSON.toJson(entry) + "\n";
        Files.writeString(Path.of(setting("log")), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
