// helpers/java in a test: WxJava against a fake WeChat. Run by ../test_helpers.py.

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.bean.template.WxMpTemplateData;
import me.chanjar.weixin.mp.bean.template.WxMpTemplateMessage;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

public final class InTest {
    public static void main(String[] args) throws Exception {
        try (WxgateSandbox sandbox = WxgateSandbox.start("--seed", "7")) {
            var pool = Executors.newFixedThreadPool(4);
            List<Future<?>> tests = new ArrayList<>();
            for (int number = 0; number < 8; number++) {
                String text = "text of " + number;
                tests.add(pool.submit(() -> {
                    aMessage(sandbox, text);
                    return null;
                }));
            }
            for (Future<?> test : tests) {
                test.get();
            }
            pool.shutdown();
            aFaultAndAReset(sandbox);
        }
    }

    private static void aMessage(WxgateSandbox sandbox, String text) throws WxErrorException {
        try (WxgateSandbox wechat = sandbox.world()) {
            String user = wechat.control("users", "{}");
            String openid = user.split("\"" + WxgateSandbox.APPID + "\":\"")[1].split("\"")[0];
            wechat.control("event",
                "{\"appid\":\"" + WxgateSandbox.APPID + "\",\"openid\":\"" + openid + "\",\"event\":\"subscribe\",\"key\":\"\"}");
            var message = WxMpTemplateMessage.builder().toUser(openid).templateId(WxgateSandbox.TEMPLATE)
                .data(List.of(new WxMpTemplateData("first", text))).build();
            check(!service(wechat).getTemplateMsgService().sendTemplateMsg(message).isEmpty(), "sent");
            String state = wechat.read("state");
            check(state.contains(text) && state.split("\"template_id\"").length == 2, "nobody else's: " + state);
            check(wechat.read("calls?path=/cgi-bin/message/template/send").contains("\"status\":200"), "the call");
        }
    }

    private static void aFaultAndAReset(WxgateSandbox wechat) throws WxErrorException {
        wechat.control("fault", "{\"path\":\"/cgi-bin/token\",\"errcode\":45009,\"times\":0}");
        try {
            service(wechat).getAccessToken(true);
            throw new AssertionError("a fault that is no error");
        } catch (WxErrorException error) {
            check(error.getError().getErrorCode() == 45009, error.toString());
        }
        wechat.reset();
        String first = service(wechat).getAccessToken(true);
        wechat.reset();
        check(service(wechat).getAccessToken(true).equals(first), "the same seed");
        try {
            wechat.control("fault", "{\"colour\":1}");
            throw new AssertionError("taken");
        } catch (IllegalArgumentException refused) {
            check(refused.getMessage().contains("colour"), refused.toString());
        }
    }

    private static WxMpService service(WxgateSandbox wechat) {
        WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
        config.setAppId(WxgateSandbox.APPID);
        config.setSecret(WxgateSandbox.SECRET);
        config.setHostConfig(new WxMpHostConfig(wechat.url(), wechat.url(), wechat.url()));
        WxMpService service = new WxMpServiceImpl();
        service.setWxMpConfigStorage(config);
        return service;
    }

    private static void check(boolean isRight, String what) {
        if (!isRight) {
            throw new AssertionError(what);
        }
    }
}
