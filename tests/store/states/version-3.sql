-- A state file as the program as of commit 3c9b276, which writes version 3, left it, as SQLite dumps it.
-- `reaper sweep` on an emulator of 3 agents with 14 sessions each (seed 7): support-eu deletes at once, research marks,
-- billing-bot is withheld and approved. Then two holds by `reaper hold`; a breaker, a level and
-- an unserved version, by its store.
BEGIN TRANSACTION;
CREATE TABLE approvals (
	"plan" VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY ("plan", project, agent)
);
INSERT INTO "approvals" VALUES('5405d19a2e74b367a4e8b3a326956c7f','prod','billing-bot',1.79572232905722570421e+09);
CREATE TABLE baselines (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	now FLOAT NOT NULL, 
	sessions INTEGER NOT NULL, 
	spread VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "baselines" VALUES('prod','billing-bot',1795722319.0,14,'[1795722319.0, [10, 7, 7, 6, 4, 2, 2, 1, 1, 0, 0, 0, 0, 0], [12, 12, 12, 12, 11, 11, 11, 10, 8, 4, 0, 0, 0, 0], 14]');
INSERT INTO "baselines" VALUES('prod','research',1795722319.0,14,'[1795722319.0, [10, 9, 6, 5, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0], [13, 13, 13, 12, 12, 10, 9, 9, 8, 5, 0, 0, 0, 0], 14]');
INSERT INTO "baselines" VALUES('prod','support-eu',1795722319.0,14,'[1795722319.0, [10, 9, 9, 7, 7, 5, 4, 3, 3, 1, 0, 0, 0, 0], [13, 13, 13, 12, 12, 12, 11, 11, 10, 5, 0, 0, 0, 0], 14]');
CREATE TABLE breakers (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	since FLOAT NOT NULL, 
	reason VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "breakers" VALUES('prod','support-eu',1795722346.0,'3 deletes were accepted without effect');
CREATE TABLE holds (
	id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	created_at INTEGER, 
	until VARCHAR NOT NULL, 
	legal VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	released FLOAT, 
	client VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "holds" VALUES('f89ff2a55528','prod','research','489058df5fb7de4312ddb1bc',1793723254,'2027-01-31','','a thesis','ada',1795722343.0,NULL,'');
INSERT INTO "holds" VALUES('640c363638dc','prod','research','00c69d04a07cc56341e755a2',1794374767,'','case-7','asked for by the court','ada',1795722346.0,NULL,'');
CREATE TABLE journal (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	kind VARCHAR NOT NULL, 
	action_id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	created_at INTEGER NOT NULL, 
	action VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	approved INTEGER NOT NULL, 
	outcome VARCHAR NOT NULL, 
	body VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL
);
INSERT INTO "journal" VALUES(1,1.79572231898432779304e+09,'event','ed057b6583a844bf81177672bd045c61','','','',0,'keep','configuration',0,'noted','{"digest": "18178a69cc99", "modes": {"careful": "enforce", "later": "enforce", "now": "enforce"}, "origin": {"by": "root", "configuration": "18178a69cc99", "host": "vm", "version": "0.1.0"}}','bd6e1f30a4fda0752b1ca7726298a6196b00440431e4f46911bf305a498c96b5');
INSERT INTO "journal" VALUES(2,1.79572231898432779304e+09,'event','442ef032dec448a28fd6616ff66a3501','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "18178a69cc99", "host": "vm", "version": "0.1.0"}, "policy": "now"}','bf60403a47ee74d5fad1e102bcf7a109b7dd0e8415f68762227d5c076090b845');
INSERT INTO "journal" VALUES(3,1.79572231898432779304e+09,'event','b7910e0247934628924d40b2d1fd81c2','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "18178a69cc99", "host": "vm", "version": "0.1.0"}, "policy": "later"}','465291d0582c011a644dfa84e19fb8843f8d3688c8734280880bea83aed2f8ed');
INSERT INTO "journal" VALUES(4,1.79572231898432779304e+09,'event','7630cbf8fc2e4e6b877e979b3921beba','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "18178a69cc99", "host": "vm", "version": "0.1.0"}, "policy": "careful"}','9abd7770d712048a766e6b94a273cdb315d02ab42359a846376091052a481548');
INSERT INTO "journal" VALUES(5,1795722319.0,'event','82b888de239b47339a31eff0552b5878','prod','billing-bot','',0,'keep','plans',0,'noted','{"covers": {"plans": {"digest": "429e902af35616a1299cc4d997bff1b12c936e77804198c3fc72efa955144dae", "rows": 1}}, "plans": ["5405d19a2e74b367a4e8b3a326956c7f"]}','e9a4fc5da806f50612182e6494c32b111d6ec362885c06a7e7e09ead39a36d48');
INSERT INTO "journal" VALUES(6,1795722319.0,'event','f229d764316243b987a158e2207f30ab','prod','billing-bot','',0,'keep','levels',0,'noted','{"candidates": 2, "covers": {"levels": {"digest": "af7b7b23a57d7bf364e588e9b4052a59d8e9f0d145592a17c5f4299ab67719b5", "rows": 1}}, "found": 0, "jumped_at": null}','94a35c9c93da0679643d022f4dc075725a55875cc913bb151f18b178794c96a8');
INSERT INTO "journal" VALUES(7,1795722319.0,'event','52393a1db8dc42ccbdf71c65de892551','prod','research','',0,'keep','marks',0,'noted','{"came": 2, "covers": {"marks": {"digest": "624543d8425acd7655f099c5746ac5911cb413d31beb47fb77d99faffa1d647b", "rows": 2}}, "left": 0}','3acf80fba4ae36621131661d45e2e1bc8f1b7d88e06d10e77a2262bee6bd38f3');
INSERT INTO "journal" VALUES(8,1795722319.0,'event','8e54b73610ad42b197e66c9244d34f8b','prod','research','',0,'keep','levels',0,'noted','{"candidates": 2, "covers": {"levels": {"digest": "4e25be84e5877485784a4b8f2cdded566c54c3625c1e63639952524a7755444b", "rows": 1}}, "found": 0, "jumped_at": null}','5323df48018bddbc248226ea70ceae47b5e900c1aa8666a03f6874c73d32bc45');
INSERT INTO "journal" VALUES(9,1795722319.0,'event','b8205a31509a4d9f8c5e0dae09d76a87','prod','support-eu','',0,'keep','levels',0,'noted','{"candidates": 4, "covers": {"levels": {"digest": "270d224b96e1f29adc1c0f410c072b143a148b5c5103f028d8896eb850a3aeb1", "rows": 1}}, "found": 0, "jumped_at": null}','12deeb5188d96229bb831f0052dd5e6e93260c8b1f1fcf45945bb6d2e26f684e');
INSERT INTO "journal" VALUES(10,1795722319.0,'intent','423187c85a314d1e8b2287acc18745d4','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821997,'delete','idle-a-week',0,'','{"compared": [{"actual": "7d19h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "10d10h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": "3", "origin": {"by": "root", "configuration": "18178a69cc99", "endpoint": "http://127.0.0.1:44625/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "d7830ac97b59d785166cb64dafffe22d", "platform_time": 1795722319.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"5ab14d5ebd63dad1ba12d672\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"3\"},\"status\":\"idle\",\"created_at\":1794821997,\"last_accessed_at\":1795046866,\"expires_at\":1797638866,\"stopped_at\":1795050466}", "received_bytes": 228, "record": {"created_at": 1794821997, "expires_at": 1797638866, "id": "5ab14d5ebd63dad1ba12d672", "last_accessed_at": 1795046866, "status": "idle", "stopped_at": 1795050466, "strange": [], "version": "3"}, "sweep": "ecfbaeb4fab5"}','fe15c64bc99c17695f39d3b9a270185c2b8d6f2795f5fb4824b489dbce7ec381');
INSERT INTO "journal" VALUES(11,1795722319.0,'outcome','423187c85a314d1e8b2287acc18745d4','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821997,'delete','idle-a-week',0,'done','{"request_id": "00000000000000000000000000000009", "window_seconds": 0.014829389000055926}','c42c3d6ab446c52da932efc251e1598560212d0044570aa7fc0dfe76b5705f94');
INSERT INTO "journal" VALUES(12,1795722319.0,'intent','d808d25e62ac46aeba4b80a39836b7c4','prod','support-eu','f45c6006bcdfed942ada80d1',1793514653,'delete','idle-a-week',0,'','{"compared": [{"actual": "25d13h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "failed", "condition": "status", "wanted": "failed or idle"}, {"actual": "25d13h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": "3", "origin": {"by": "root", "configuration": "18178a69cc99", "endpoint": "http://127.0.0.1:44625/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "d7830ac97b59d785166cb64dafffe22d", "platform_time": 1795722319.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"f45c6006bcdfed942ada80d1\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"failed\",\"created_at\":1793514653,\"last_accessed_at\":1793514685,\"expires_at\":1796106685}", "received_bytes": 206, "record": {"created_at": 1793514653, "expires_at": 1796106685, "id": "f45c6006bcdfed942ada80d1", "last_accessed_at": 1793514685, "status": "failed", "stopped_at": null, "strange": [], "version": "1"}, "sweep": "ecfbaeb4fab5"}','8f16514ae042cc648c2301b68cde7ce0a5fa33d5c33b4110700dc351dca4f630');
INSERT INTO "journal" VALUES(13,1795722319.0,'intent','8f04c792075a47098f4340f806a1ab68','prod','support-eu','Sess_769527B392918C669EE61796',1793658429,'delete','idle-a-week',0,'','{"compared": [{"actual": "19d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "23d21h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": "3", "origin": {"by": "root", "configuration": "18178a69cc99", "endpoint": "http://127.0.0.1:44625/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "d7830ac97b59d785166cb64dafffe22d", "platform_time": 1795722319.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"Sess_769527B392918C669EE61796\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1793658429,\"last_accessed_at\":1794076260,\"expires_at\":1796668260,\"stopped_at\":1794077160}", "received_bytes": 233, "record": {"created_at": 1793658429, "expires_at": 1796668260, "id": "Sess_769527B392918C669EE61796", "last_accessed_at": 1794076260, "status": "idle", "stopped_at": 1794077160, "strange": [], "version": "1"}, "sweep": "ecfbaeb4fab5"}','8668c1640249e79f5e6604d425158bc57c07a7f29998beff5c3c1e0560915463');
INSERT INTO "journal" VALUES(14,1795722319.0,'intent','2b7e38bbbbd343f9b1d0d8187963e202','prod','support-eu','demo-000002',1794021907,'delete','idle-a-week',0,'','{"compared": [{"actual": "17d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "19d16h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": "3", "origin": {"by": "root", "configuration": "18178a69cc99", "endpoint": "http://127.0.0.1:44625/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "d7830ac97b59d785166cb64dafffe22d", "platform_time": 1795722319.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"demo-000002\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1794021907,\"last_accessed_at\":1794248186,\"expires_at\":1796840186,\"stopped_at\":1794249086}", "received_bytes": 215, "record": {"created_at": 1794021907, "expires_at": 1796840186, "id": "demo-000002", "last_accessed_at": 1794248186, "status": "idle", "stopped_at": 1794249086, "strange": [], "version": "1"}, "sweep": "ecfbaeb4fab5"}','9b9c3cfb271438b3299323a8632a30d7f6136c5d813f8a764aa2d5940c851593');
INSERT INTO "journal" VALUES(15,1795722319.0,'outcome','d808d25e62ac46aeba4b80a39836b7c4','prod','support-eu','f45c6006bcdfed942ada80d1',1793514653,'delete','idle-a-week',0,'done','{"request_id": "0000000000000000000000000000000c", "window_seconds": 0.004705263000005289}','7cf5b24f05128387e1eb1af612ef4ba29f087e16bac78a48fc74fb3fbf01973a');
INSERT INTO "journal" VALUES(16,1795722319.0,'outcome','8f04c792075a47098f4340f806a1ab68','prod','support-eu','Sess_769527B392918C669EE61796',1793658429,'delete','idle-a-week',0,'done','{"request_id": "0000000000000000000000000000000e", "window_seconds": 0.015248020000058204}','89c393ec7223c0ccffbea69ec1b99c3a3fe0cb1272c32706df5a955a021e8140');
INSERT INTO "journal" VALUES(17,1795722319.0,'outcome','2b7e38bbbbd343f9b1d0d8187963e202','prod','support-eu','demo-000002',1794021907,'delete','idle-a-week',0,'done','{"request_id": "00000000000000000000000000000012", "window_seconds": 0.06153291900000113}','e016cd1170ad3d223d7e3d15b36740f036585d3bb23f25daeae52135f9015c57');
INSERT INTO "journal" VALUES(18,1795722319.0,'event','6fdc595808494192b8014b6f269fdc41','prod','billing-bot','',0,'keep','plans',0,'noted','{"covers": {"plans": {"digest": "9bed80691669028fca1c19ae58457c6685366f60a4807bc097c9a1f0619bd2ae", "rows": 2}}, "plans": ["d0e8b0cf460dcada464896a12295100f"]}','e08e4e8579be8249e5942905648dea2a971f63f72f4e49c0f977529980f23e7b');
INSERT INTO "journal" VALUES(19,1.79572232905722570421e+09,'event','bc3897189da64bbdb70f2864628be130','prod','billing-bot','',0,'keep','approved',0,'noted','{"by": "root", "configuration": "18178a69cc99", "covers": {"approvals": {"digest": "00a52de3086cd81cdba6286d7878ec90b1ce5ab2838eea082ae5cd728a0d7b58", "rows": 1}}, "host": "vm", "plan": "5405d19a2e74b367a4e8b3a326956c7f", "standing": false, "version": "0.1.0"}','e77964aabab390ddbff8162a9cf2c4cb7836550c3412eeb5488a412c462a6e4c');
INSERT INTO "journal" VALUES(20,1795722343.0,'event','c504ed5b6b7445e3869f8ff5243d2eee','prod','research','489058df5fb7de4312ddb1bc',0,'keep','hold_placed',0,'noted','{"by": "ada", "covers": {"holds": {"digest": "01ecb0242dfb13d7cd1c2badf8ae6988637a7d0c4d7265862380fe4c261ae9f1", "rows": 1}}, "created_at": 1793723254, "id": "f89ff2a55528", "origin": {"by": "ada", "configuration": "18178a69cc99", "host": "vm", "reason": "a thesis", "version": "0.1.0"}, "reason": "a thesis", "session": "489058df5fb7de4312ddb1bc", "until": "2027-01-31"}','f347d00b86ea6441a75c9c674d2025335a943cea2b6c5fab8f3dfc532023d22a');
INSERT INTO "journal" VALUES(21,1795722346.0,'event','3443310cac1f4bb48ca3d67248d5956c','prod','research','00c69d04a07cc56341e755a2',0,'keep','hold_placed',0,'noted','{"by": "ada", "covers": {"holds": {"digest": "499b1b268ae24eb1127489e4d81eda13e207645e77188f950c670a762b122d8e", "rows": 2}}, "created_at": 1794374767, "id": "640c363638dc", "legal": "case-7", "origin": {"by": "ada", "configuration": "18178a69cc99", "host": "vm", "reason": "asked for by the court", "version": "0.1.0"}, "reason": "asked for by the court", "session": "00c69d04a07cc56341e755a2"}','399f98872efeb595366f62ef419583ba94808be286581dc10f82dd7b2b29956c');
INSERT INTO "journal" VALUES(22,1795722346.0,'event','fd0ba1c92c89452ba73c68d8007df573','prod','support-eu','',0,'keep','breaker_latched',0,'noted','{"covers": {"breakers": {"digest": "868c63f5d0daa69d434841a48a55c98aa331af4f48ab8bc3ca94995daa436d4b", "rows": 1}}, "reason": "3 deletes were accepted without effect"}','e88ac815353fe62911e82bbe1ef09a8db96b701b873ea1a8286435c60de46ff4');
INSERT INTO "journal" VALUES(23,1795722346.0,'event','27f13a7890714386a4a6cb25f3960dbf','prod','research','',0,'keep','versions',0,'noted','{"covers": {"unserved": {"digest": "3272a010be8daadae689ddd9c910669ca5cd3bb922308f6e94d89f6c59d9478b", "rows": 1}}, "served_or_gone": [], "unserved": ["1"]}','d301905072320e1171fc5f815ae0d7f55144223e29cdde0073816e7c7b18ea23');
CREATE TABLE levels (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	candidates INTEGER NOT NULL, 
	jumped_at FLOAT, 
	found INTEGER NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "levels" VALUES('prod','billing-bot',2,NULL,0);
INSERT INTO "levels" VALUES('prod','research',2,NULL,0);
INSERT INTO "levels" VALUES('prod','support-eu',4,NULL,0);
CREATE TABLE marks (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	created_at INTEGER NOT NULL, 
	seen VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	marked_at FLOAT NOT NULL, 
	ripe_at FLOAT NOT NULL, 
	PRIMARY KEY (project, agent, session, created_at)
);
INSERT INTO "marks" VALUES('prod','research','00c69d04a07cc56341e755a2',1794374767,'{"id": "00c69d04a07cc56341e755a2", "status": "failed", "version": "2", "created_at": 1794374767, "last_accessed_at": 1794374777, "expires_at": 1796966777, "stopped_at": null, "strange": []}','delete','idle-a-week',1795722319.0,1795808719.0);
INSERT INTO "marks" VALUES('prod','research','489058df5fb7de4312ddb1bc',1793723254,'{"id": "489058df5fb7de4312ddb1bc", "status": "idle", "version": "1", "created_at": 1793723254, "last_accessed_at": 1794927468, "expires_at": 1797519468, "stopped_at": 1794928368, "strange": []}','delete','idle-a-week',1795722319.0,1795808719.0);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('version','3');
INSERT INTO "meta" VALUES('last ["configuration", ""]','{"digest": "18178a69cc99", "modes": {"careful": "enforce", "later": "enforce", "now": "enforce"}}');
INSERT INTO "meta" VALUES('last ["mode", "now"]','{"mode": "enforce", "policy": "now"}');
INSERT INTO "meta" VALUES('last ["mode", "later"]','{"mode": "enforce", "policy": "later"}');
INSERT INTO "meta" VALUES('last ["mode", "careful"]','{"mode": "enforce", "policy": "careful"}');
INSERT INTO "meta" VALUES('sum ["plans", "prod", "billing-bot"]','{"sum": "bb2fb2fe2689d77c2d919b41f362e1ce2fb4b3b1106974c2c63c8eb29b9d3cd02d55fe72743af7d85d8e1a3f7459cdcb1ce00ea337492f0e8e7c380d921abbe17fc8a5781eee358e11f9054d796b4a2de5b97811290742c202afaa8fefb870ebb8cb9497c52125051fc83889e885ea96d902af217fd72d84f243be0446abda95de8701dec5a963e7085dcdd9c4a3ef07ef4a9a0153792429bb77e31954659f31622bd33ec079543a6b4d1f8c248e0236a953b2f0196ee9f7baa6f23581a6142e672624d5765b5549d990f1b2c840e87776399802959cf69389b89366098f463a54c9f80c28022929aab127fc699f2c9161af48aef22082a46372ee6126287691", "rows": 2, "seq": 18}');
INSERT INTO "meta" VALUES('sum ["levels", "prod", "billing-bot"]','{"sum": "60dcdfbe54a68cfff26fef0a4da92b0844b34fb5f98ed6c67d9aaf58f8d45d8b1dfaaa5168d3cc6165d69a2fc01bc1790c059d7123c915f45c254e13229ebcd9caef3bbb55cc4d0c65d6c8ec57da1cc092b4bbe778f6f92cf4391d11885496f5b9e6dbdd93cdfceb52586cd11591a5b8288d69969bc55fd9a68de139f044f5f1cca7e0f4a926f1881b84fa2a9a25612d28c6f414ae288183a4f7d29d6e1dec675296117fd82f378798545490ee38c43077da9dc391b2c59831d3d28ffdb816992247dfcffd6237d58b231dc7883f2491dbbdf6e90eaf47dcb67f17ab5e984ada7b4dc8bf585fc960a4866fbc17b7d5094ebb9309b6b54d6334ba6dde099733e9", "rows": 1, "seq": 6}');
INSERT INTO "meta" VALUES('sum ["marks", "prod", "research"]','{"sum": "6b198d8f70351fc8d4a2b256964b2048658ea1915353d6e446cb119c3bf9efe3ce8fb3c78f60ab723aaaa9c110a685faac79f14b81d93b8a72a558bd9042fcaa4f4423204930947f605379a7939e15236a3438cdb43bd245107ef1cc802c312b320d9951d52af424c2b9734dcf67210fd8df23c12660774162ff2701db75b3e8414a10053709a198f1e46a0cd5bdb89537d825244c4ad6f605fcf5e897d70ecbb1c8412ee87dece66e89b65be9cbb0d881d7db1e64efd5eadfa86ed054f37d8b4d50feba9abd6a5cbcb8c263da0d7ff78bb7976ef6d4e96f403646830e1240f71f00986a7932078101186230a95272b32ceb9e87f7969d65342b5aad2e21683f", "rows": 2, "seq": 7}');
INSERT INTO "meta" VALUES('sum ["levels", "prod", "research"]','{"sum": "65c1d61010648aecfd3b7ee676c4c1f626b9d3f095bc5d440f7b1701d018fcdadfc7090dd525a4b8614bb3ad3b1e9b470a63d2854ce16c10eb64ada2c301fdabeb5d3eca1b7db21d5ea3cf85a9f5ce3faa8389170228d0e6dc3cf4d16a34fa4172eba10c3c2c0c42421c08481e0bc54fced8db24bba636cc805c8de444c26b6acef2d58adc413d6f05df97e3664245f7cd03f83ab5380f010e2e9c213363d5dde18ad166b61ae6e5756eb5fbffd666c884bed5d0ecf08d0a277a41c5aa5fb87553cfe08e2b6ba328eb314a4e5605ddc7c7c67bd56de16be3fd5566ddbafae8d22e6b1450ce7c9367c40bb24eea75e3f5423b26d05a6e3102784e48469cf43676", "rows": 1, "seq": 8}');
INSERT INTO "meta" VALUES('sum ["levels", "prod", "support-eu"]','{"sum": "f9a17dcac8f6f446f131ccf0cc7d1af6de03a7b4d936248fd49c423e6f21dbb5175640d4773bb61268d78193ebf60bac6419ccea780bce44ae7dc77ea18bd90ae3361ca9afafb98a1428946b045d472f360de2e51094ab64f63eb39a27732f3a939752ff932e0373d45c0d33668a33e07a7da6f779d937e7f5dfb9d8d38e6d7c0ed3306526f67817d7b76577cd08c61c7aa57366b23b8ee3a420d20616f24937852a156b16291b5c6c2c69eb0a1c17d68f428ad76c53908105b14ee530c6fabdf8632ed6c017c2203ff5a1fea37af9611028211dd0c6cfb65fb6ed9953f08ac6e7857a15fb847236eaca97320a36c1c30b66fc57068f409c308bb347bfc8f6c7", "rows": 1, "seq": 9}');
INSERT INTO "meta" VALUES('sum ["approvals", "prod", "billing-bot"]','{"sum": "e72005586a5849cd01258b398d7d7521c3054ce69e926e2a4b2b96a21c2344740266713b6224175c48a93997a7bcceedef2abafb89194b332def53322b0b8de16cab608458c9aa709bf310d972043f57faff64e1d2d68c0ba1dc5f2e607d51c4c18fbc23ea55737e30573f850e0e667e993bf391e3836afc7c442d3942f0cd79f97da84037adf42ab41b7e59b1b05c98c8f9908a2892e9178f8fdad4c083ebe75ee664077830daa6a2d005507497bb5007b22f532e00c323d3ddf85bba7ffb813033798f756be6f2eb7754140f1cb12cb78f05f91fe77bff664309701962bafe127321e9c0bf1b8927ce9037c22d4d08dfac6546054eb882513c00c19d6bd11f", "rows": 1, "seq": 19}');
INSERT INTO "meta" VALUES('sum ["holds", "prod", "research"]','{"sum": "26da80b4880d4379a2d4a5350f9351a745ab5365d88d97c1f1480c6f530f08d4db5630bdf2696cbc28fa6079a44088503d70b3903f96adb0a75facc9342ba89a9b4bc8dc28e5a258e83d08a14703b689c8284c79832a3071fe3934ea466d618f86d5777f5348337c8c6c77464600b912b70b6c62b416affdb53f0cd09750298db2dd6739ecc973410787fba915216b04b5247002e221c8e50f25a3a380ec2b19e69c6c4596cb140e6152395af8df2cedbd2e054fc08493bb1ee4a98297deaf44a24d0bc9127b7cde03b314e5b1a36b64d610a3bdc2b76d19e6117d7c539d100524ed46f52a180ef4cbd28282d2a3e2dc7826f90926795b0bba68b65fcf84f4db", "rows": 2, "seq": 21}');
INSERT INTO "meta" VALUES('sum ["breakers", "prod", "support-eu"]','{"sum": "efd547085300b586722fb38f9ed861f108961f207c807832c5587bdc91e932b241106f6d6581c0f86109f04d899b760a372d93bcca656218250b5d4a7dbd7a591ea6b64c0ba7b25327e699d1868582ab888910b9c3cc1d954e930a12224499852ef6a6255376d545d2a911e370f097308077060724c8b04695c1172420f2f8ec979af64acf6ba0272fe077550a16e33d84c96c5434aff28d09b41853afb48897bd7b0e49abeee706cc95b4e1473e027a1faf24cf7654f72925d5b1899cdd43c5303a9766b668a1dfbd248a898924a0c82c3ed82cb8c5923e59488533f931bee45361dba7c85dc48c6c1b864a726edb425e5652c1b07d011895a84bc013747c69", "rows": 1, "seq": 22}');
INSERT INTO "meta" VALUES('sum ["unserved", "prod", "research"]','{"sum": "76db71b19e2626ca6b1ee5f4fd93608b13b8e27a7f2ed1f64500b2d34be4ff11455db7e3d906c41e9c9f7cdee22292e22defdecfb88e8863ecd287a64c0441fb56ee00ba16234eee8e3cfe6dc1bbb613c25eab57caeb79c187e31024e67ad0e031750d3cfd04b93e691547cc4af9db07f679f88d98817ca4468d91d1f3f3f36bd71d40782295a4a5d22ac54ee2836bd09137841b606bbac10a7820701cc8f844f98b94c405f03c24d1c0081d670c6abbc73e2479196e430e9d74cd942cf20f129fc675beff875a341f8b6ee1384b8e7da6ac83584da2e2516506d45ace04826395a65673cbd22e1579c2027caab6bf61747d4d47dd37c8570924132ccbcb6565", "rows": 1, "seq": 23}');
CREATE TABLE plans (
	id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	sessions BLOB NOT NULL, 
	PRIMARY KEY (id, project, agent)
);
INSERT INTO "plans" VALUES('5405d19a2e74b367a4e8b3a326956c7f','prod','billing-bot',1795722324.0,X'616C6C0A64656C65746520336665303363663736653964626635653663333931323364203137393436333138303920313739343939313730370A64656C6574652063623237373864383866353130396639393062633965656320313739343336383831312031373934333638383139');
INSERT INTO "plans" VALUES('d0e8b0cf460dcada464896a12295100f','prod','billing-bot',1795722319.0,X'6F662035343035643139613265373462333637613465386233613332363935366337660A');
CREATE TABLE unserved (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	since FLOAT NOT NULL, 
	PRIMARY KEY (project, agent, version)
);
INSERT INTO "unserved" VALUES('prod','research','1',1795722346.0);
CREATE TABLE voices (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	said VARCHAR NOT NULL, 
	fault VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
CREATE INDEX holds_by_session ON holds (session);
CREATE INDEX journal_by_session ON journal (session);
CREATE INDEX journal_by_action ON journal (action_id);
CREATE INDEX journal_by_agent ON journal (project, agent, at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('journal',23);
COMMIT;
