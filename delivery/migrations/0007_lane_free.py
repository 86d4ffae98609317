from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('delivery', '0006_archive_status'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='lane',
            index=models.Index(
                condition=models.Q(('endpoint_inactive', False), ('is_pulled', False), ('owner__isnull', True)),
                fields=['endpoint'],
                name='lane_free',
            ),
        ),
    ]
