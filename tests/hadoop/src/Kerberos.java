import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Properties;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.minikdc.MiniKdc;

/** A KDC of a test's own, and an HDFS that wants its tickets. */
final class Kerberos {
  private static final String SERVICE = "hdfs/localhost", WEB = "HTTP/localhost", CLIENT = "gpuq";

  private Kerberos() {}

  /** Starts the KDC, gives out keytabs to FOLDER, and lets {@code conf} want tickets. */
  static void secure(File folder, Configuration conf) throws Exception {
    File work = new File(folder, "kdc");
    Files.createDirectories(work.toPath());
    Properties settings = MiniKdc.createConf();
    settings.setProperty(MiniKdc.KDC_BIND_ADDRESS, "127.0.0.1");
    MiniKdc kdc = new MiniKdc(settings, work);
    kdc.start();
    File services = new File(folder, "services.keytab");
    kdc.createPrincipal(services, SERVICE, WEB);
    kdc.createPrincipal(new File(folder, "gpuq.keytab"), CLIENT);
    describe(kdc, new File(folder, "krb5.conf"));
    String realm = "@" + kdc.getRealm();
    conf.set("hadoop.security.authentication", "kerberos");
    conf.set("hadoop.security.authorization", "true");
    conf.set("dfs.block.access.token.enable", "true");
    conf.set("dfs.data.transfer.protection", "authentication");
    conf.set("ignore.secure.ports.for.testing", "true"); // a DataNode would want ports below 1024, or TLS
    conf.set("hadoop.http.filter.initializers", "org.apache.hadoop.security.AuthenticationFilterInitializer");
    conf.set("hadoop.http.authentication.type", "kerberos");
    conf.set("hadoop.http.authentication.kerberos.principal", WEB + realm);
    conf.set("hadoop.http.authentication.kerberos.keytab", services.getPath());
    conf.set("hadoop.http.authentication.signer.secret.provider", "random"); // cookies end with who gave them
    for (String server : new String[] {"namenode", "datanode"}) {
      conf.set("dfs." + server + ".kerberos.principal", SERVICE + realm);
      conf.set("dfs." + server + ".keytab.file", services.getPath());
    }
  }

  /** Says to MIT's library where the KDC is, and that names are as they are written. */
  private static void describe(MiniKdc kdc, File file) throws IOException {
    String realm = kdc.getRealm();
    Files.writeString(
        file.toPath(),
        String.join(
            "\n",
            "[libdefaults]",
            "default_realm = " + realm,
            "dns_canonicalize_hostname = false",
            "dns_lookup_kdc = false",
            "rdns = false",
            "udp_preference_limit = 1",
            "[realms]",
            realm + " = {",
            "  kdc = 127.0.0.1:" + kdc.getPort(),
            "}",
            ""));
  }
}
