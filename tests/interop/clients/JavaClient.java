// Drives the vendor's Java SDK as its documentation does; prints what it got as JSON lines.
//
//   java -cp ... JavaClient --port 11111 [--host 127.0.0.1] [--encrypt KEY] [--codes US.AAPL,HK.00700] [--pushes 4]
//
// Events are those of python_client.py; the points of a reply carry the names of its table.
// Exit status: 0 or 1.

import com.futu.openapi.FTAPI;
import com.futu.openapi.FTAPI_Conn;
import com.futu.openapi.FTAPI_Conn_Qot;
import com.futu.openapi.FTSPI_Conn;
import com.futu.openapi.FTSPI_Qot;
import com.futu.openapi.pb.QotCommon;
import com.futu.openapi.pb.QotGetRT;
import com.futu.openapi.pb.QotSub;
import com.futu.openapi.pb.QotUpdateRT;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public final class JavaClient implements FTSPI_Conn, FTSPI_Qot {
  private final FTAPI_Conn_Qot connection = new FTAPI_Conn_Qot();
  private final List<String> codes;
  private final CountDownLatch replies;
  private final CountDownLatch pushes;
  private volatile boolean failed;
  private volatile boolean closing;

  private JavaClient(Map<String, String> options) {
    codes = List.of(options.getOrDefault("codes", "US.AAPL,HK.00700").split(","));
    replies = new CountDownLatch(codes.size());
    pushes = new CountDownLatch(Integer.parseInt(options.getOrDefault("pushes", "4")));
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int at = 0; at + 1 < arguments.length; at += 2) {
      options.put(arguments[at].replaceFirst("^--", ""), arguments[at + 1]);
    }
    FTAPI.init();
    int status = new JavaClient(options).run(options);
    line("closed", "");
    System.exit(status); // the SDK's threads would keep the process alive
  }

  private int run(Map<String, String> options) throws Exception {
    connection.setClientInfo("ftwire-interop", 1);
    connection.setConnSpi(this);
    connection.setQotSpi(this);
    if (options.containsKey("encrypt")) {
      connection.setRSAPrivateKey(Files.readString(Path.of(options.get("encrypt"))));
    }
    String host = options.getOrDefault("host", "127.0.0.1");
    int port = Integer.parseInt(options.getOrDefault("port", "11111"));
    connection.initConnect(host, port, options.containsKey("encrypt"));
    long timeout = Long.parseLong(options.getOrDefault("timeout", "20"));
    if (!replies.await(timeout, TimeUnit.SECONDS) || !pushes.await(timeout, TimeUnit.SECONDS)) {
      fail("timeout", replies.getCount() + " replies and " + pushes.getCount() + " pushes are missing");
    }
    closing = true;
    connection.close();
    return failed ? 1 : 0;
  }

  @Override
  public void onInitConnect(FTAPI_Conn client, long error, String description) {
    if (error != 0) {
      fail("InitConnect", error + " " + description);
      return;
    }
    line("login", ",\"connID\":" + quote(Long.toUnsignedString(client.getConnectID())));
    QotSub.C2S.Builder sub =
        QotSub.C2S.newBuilder().setIsSubOrUnSub(true).setIsRegOrUnRegPush(true).addSubTypeList(
            QotCommon.SubType.SubType_RT_VALUE);
    codes.forEach(code -> sub.addSecurityList(security(code)));
    connection.sub(QotSub.Request.newBuilder().setC2S(sub).build());
  }

  @Override
  public void onDisconnect(FTAPI_Conn client, long error) {
    if (!closing) { // our own closing is reported too, sooner or later
      fail("disconnected", Long.toString(error));
    }
  }

  @Override
  public void onReply_Sub(FTAPI_Conn client, int serial, QotSub.Response response) {
    if (response.getRetType() != 0) {
      fail("Sub", response.getRetMsg());
      return;
    }
    line("reply", ",\"call\":\"Sub\"");
    for (String code : codes) {
      QotGetRT.C2S c2s = QotGetRT.C2S.newBuilder().setSecurity(security(code)).build();
      connection.getRT(QotGetRT.Request.newBuilder().setC2S(c2s).build());
    }
  }

  @Override
  public void onReply_GetRT(FTAPI_Conn client, int serial, QotGetRT.Response response) {
    if (response.getRetType() != 0) {
      fail("GetRT", response.getRetMsg());
    } else {
      QotGetRT.S2C s2c = response.getS2C();
      line("reply", ",\"call\":\"GetRT\"" + table(s2c.getSecurity(), s2c.getRtListList()));
    }
    replies.countDown();
  }

  @Override
  public void onPush_UpdateRT(FTAPI_Conn client, QotUpdateRT.Response response) {
    QotUpdateRT.S2C s2c = response.getS2C();
    line("push", ",\"handler\":\"UpdateRT\"" + table(s2c.getSecurity(), s2c.getRtListList()));
    pushes.countDown();
  }

  private static String table(QotCommon.Security security, List<QotCommon.TimeShare> points) {
    List<String> rows = new ArrayList<>();
    for (QotCommon.TimeShare point : points) {
      rows.add(
          String.format(
              Locale.ROOT,
              "{\"time\":%s,\"is_blank\":%b,\"opened_mins\":%d,\"cur_price\":%s,\"last_close\":%s,"
                  + "\"avg_price\":%s,\"volume\":%d,\"turnover\":%s}",
              quote(point.getTime()),
              point.getIsBlank(),
              point.getMinute(),
              point.getPrice(),
              point.getLastClosePrice(),
              point.getAvgPrice(),
              point.getVolume(),
              point.getTurnover()));
    }
    String market = security.getMarket() == 1 ? "HK" : "US";
    return ",\"code\":" + quote(market + "." + security.getCode()) + ",\"rows\":[" + String.join(",", rows) + "]";
  }

  private static QotCommon.Security security(String code) {
    String[] parts = code.split("\\.", 2);
    int market = parts[0].equals("HK") ? 1 : 11;
    return QotCommon.Security.newBuilder().setMarket(market).setCode(parts[1]).build();
  }

  private void fail(String call, String message) {
    failed = true;
    line("error", ",\"call\":" + quote(call) + ",\"message\":" + quote(message));
    while (replies.getCount() > 0) {
      replies.countDown();
    }
    while (pushes.getCount() > 0) {
      pushes.countDown();
    }
  }

  private static synchronized void line(String event, String facts) {
    System.out.println("{\"event\":" + quote(event) + facts + "}");
  }

  private static String quote(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
  }
}
