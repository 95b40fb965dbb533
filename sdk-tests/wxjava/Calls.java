// WxJava 4.7.0 (mp and miniapp) against BASE; see ../README.md.

import cn.binarywang.wx.miniapp.api.WxMaService;
import cn.binarywang.wx.miniapp.api.impl.WxMaServiceImpl;
import cn.binarywang.wx.miniapp.bean.WxMaKefuMessage;
import cn.binarywang.wx.miniapp.config.impl.WxMaDefaultConfigImpl;
import com.google.gson.JsonObject;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import me.chanjar.weixin.common.bean.oauth2.WxOAuth2AccessToken;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.bean.kefu.WxMpKefuMessage;
import me.chanjar.weixin.mp.bean.template.WxMpTemplateData;
import me.chanjar.weixin.mp.bean.template.WxMpTemplateMessage;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

public final class Calls {
    private static final String TEMPLATE = "sandbox-template-00000000000000000000000001";
    private static final byte[] PICTURE = new byte[10_000];

    private static WxOAuth2AccessToken granted;
    private static String media;

    public static void main(String[] args) {
        String base = env("BASE");
        PICTURE[0] = (byte) 0xff;
        PICTURE[1] = (byte) 0xd8;
        PICTURE[2] = (byte) 0xff;
        WxMpService mp = mp(base, env("APPID"), env("SECRET"));
        WxMaService mini = miniapp(base, env("MINI_APPID"), env("MINI_SECRET"));
        String openid = env("OPENID");
        String miniOpenid = env("MINI_OPENID");

        Map<String, Callable<Boolean>> steps = new LinkedHashMap<>();
        steps.put("token", () -> !mp.getAccessToken().isEmpty() && !mini.getAccessToken().isEmpty());
        steps.put("oauth_token", () -> {
            granted = mp.getOAuth2Service().getAccessToken("demo-oauth");
            return !granted.getOpenId().isEmpty();
        });
        steps.put("oauth_userinfo", () -> !mp.getOAuth2Service().getUserInfo(granted, null).getNickname().isEmpty());
        steps.put("user_info", () -> mp.getUserService().userInfo(openid).getSubscribe());
        steps.put("template", () -> {
            List<WxMpTemplateData> data = List.of(new WxMpTemplateData("keyword1", "你好 & <b>"));
            var message = WxMpTemplateMessage.builder().toUser(openid).templateId(TEMPLATE).data(data).build();
            return !mp.getTemplateMsgService().sendTemplateMsg(message).isEmpty();
        });
        steps.put("qrcode", () -> {
            var ticket = mp.getQrcodeService().qrCodeCreateTmpTicket("sdk", 60);
            var file = mp.getQrcodeService().qrCodePicture(ticket);
            return isPicture(Files.readAllBytes(file.toPath()));
        });
        steps.put("media_upload", () -> {
            media = mp.getMaterialService().mediaUpload("image", "jpg", new ByteArrayInputStream(PICTURE)).getMediaId();
            return !media.isEmpty();
        });
        steps.put("media_download", () ->
            Arrays.equals(PICTURE, Files.readAllBytes(mp.getMaterialService().mediaDownload(media).toPath())));
        steps.put("custom", () ->
            mp.getKefuService().sendKefuMessage(WxMpKefuMessage.TEXT().toUser(openid).content("你好").build()));
        steps.put("mini_code", () -> {
            var line = new cn.binarywang.wx.miniapp.bean.WxMaCodeLineColor("0", "0", "0");
            return isPicture(mini.getQrcodeService()
                .createWxaCodeUnlimitBytes("a=1", "pages/index/index", true, "release", 430, false, line, false));
        });
        steps.put("mini_phone", () -> !mini.getUserService().getPhoneNumber("demo-phone").getPurePhoneNumber().isEmpty());
        steps.put("mini_session", () -> !mini.getUserService().getSessionInfo("demo-login").getSessionKey().isEmpty());
        steps.put("mini_custom", () -> mini.getMsgService()
            .sendKefuMsg(WxMaKefuMessage.newTextBuilder().toUser(miniOpenid).content("你好").build()));
        System.exit(run(steps));
    }

    private static WxMpService mp(String base, String appid, String secret) {
        // docs: begin mp
        WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
        config.setAppId(appid);
        config.setSecret(secret);
        config.setHostConfig(new WxMpHostConfig(base, base, base));
        WxMpService service = new WxMpServiceImpl();
        service.setWxMpConfigStorage(config);
        // docs: end
        return service;
    }

    private static WxMaService miniapp(String base, String appid, String secret) {
        // docs: begin miniapp
        WxMaDefaultConfigImpl config = new WxMaDefaultConfigImpl();
        config.setAppid(appid);
        config.setSecret(secret);
        config.setApiHostUrl(base);
        WxMaService service = new WxMaServiceImpl();
        service.setWxMaConfig(config);
        // docs: end
        return service;
    }

    private static String env(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }

    private static boolean isPicture(byte[] bytes) {
        return bytes.length > 3 && (bytes[0] & 0xff) == 0xff && (bytes[1] & 0xff) == 0xd8
            || bytes.length > 3 && (bytes[0] & 0xff) == 0x89 && bytes[1] == 'P';
    }

    /** All steps, LOOPS times, a line printed for each; 1 if one failed. */
    private static int run(Map<String, Callable<Boolean>> steps) {
        int loops = Integer.parseInt(System.getenv().getOrDefault("LOOPS", "1"));
        long pause = Long.parseLong(System.getenv().getOrDefault("PAUSE_MS", "0"));
        int failed = 0;
        for (int turn = 0; turn < loops; turn++) {
            if (turn > 0) {
                sleep(pause);
            }
            for (var step : steps.entrySet()) {
                long began = System.nanoTime();
                String error = null;
                try {
                    if (!step.getValue().call()) {
                        error = "not what it should be";
                    }
                } catch (Exception raised) {
                    error = raised.toString();
                }
                JsonObject line = new JsonObject();
                line.addProperty("step", step.getKey());
                line.addProperty("ok", error == null);
                line.addProperty("ms", (System.nanoTime() - began) / 1_000_000);
                if (error != null) {
                    line.addProperty("error", error);
                    failed = 1;
                }
                System.out.println(line);
            }
        }
        return failed;
    }

    private static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
