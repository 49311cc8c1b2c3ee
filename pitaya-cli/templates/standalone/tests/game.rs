//! The game within the test: no sockets, and time that takes no time.

use ::my_game::entry::{Entry, Login};
use ::my_game::room::{Room, Said, Say, UserJoined, UserLeft};
use pitaya::client::Client;
use pitaya::prelude::*;
use pitaya::schema::assert_unchanged;
use pitaya::testing::{Cluster, TestServer};

pitaya::link!(my_game);

async fn start(cluster: &Cluster) -> Result<TestServer> {
    cluster
        .frontend("game", |app| ::my_game::game(app).unwrap())
        .await
}

async fn login(game: &TestServer, name: &str) -> Result<Client> {
    let client = game.client().await?;
    client
        .request(
            &Entry::LOGIN,
            &Login {
                name: name.to_owned(),
            },
        )
        .await?;
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn members_see_who_comes_speaks_and_goes() -> Result<()> {
    let cluster = Cluster::seeded(7);
    let game = start(&cluster).await?;
    let ann = login(&game, "ann").await?;
    let (mut joined, mut said, mut left) = (
        ann.pushes::<UserJoined>(),
        ann.pushes::<Said>(),
        ann.pushes::<UserLeft>(),
    );
    assert_eq!(ann.request(&Room::JOIN, &()).await?.members, ["ann"]);

    let bob = login(&game, "bob").await?;
    assert_eq!(bob.request(&Room::JOIN, &()).await?.members, ["ann", "bob"]);
    assert_eq!(joined.next().await?.uid, "bob");

    bob.request(
        &Room::SAY,
        &Say {
            text: "hello".to_owned(),
        },
    )
    .await?;
    let said = said.next().await?;
    assert_eq!((said.uid.as_str(), said.text.as_str()), ("bob", "hello"));

    bob.disconnect().await;
    assert_eq!(left.next().await?.uid, "bob");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn room_needs_a_login() -> Result<()> {
    let cluster = Cluster::seeded(7);
    let game = start(&cluster).await?;
    let client = game.client().await?;
    let error = client.request(&Room::JOIN, &()).await.err().unwrap();
    assert_eq!(error.code(), "PIT-401");
    let error = client
        .request(
            &Entry::LOGIN,
            &Login {
                name: "a b".to_owned(),
            },
        )
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "GAME-001");
    Ok(())
}

/// `UPDATE_SCHEMA=1 cargo test` writes the file.
#[test]
fn schema_is_unchanged() {
    assert_unchanged("schema.json", &::my_game::schema_options());
}
